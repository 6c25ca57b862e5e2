/** Consecutive batches of `size` items; a last batch of fewer than `minimum` items is dropped. */
export function batches<T>(items: readonly T[], size: number, minimum = 1): T[][] {
  const list: T[][] = [];
  for (let first = 0; first < items.length; first += size) {
    const batch = items.slice(first, first + size);
    if (batch.length >= minimum) list.push(batch);
  }
  return list;
}
