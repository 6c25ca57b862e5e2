/** The place of this process among those that mpirun started. */

/** Variables of Open MPI, and of MPICH and its relatives (Intel MPI, MVAPICH). */
const VARIABLES = [
  ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'],
  ['PMI_RANK', 'PMI_SIZE'],
] as const;

/** Rank + 1 and the number of ranks; null outside of mpirun. */
export function mpiRank(environment: NodeJS.ProcessEnv): { index: number; count: number } | null {
  for (const [rank, size] of VARIABLES) {
    const [index, count] = [environment[rank], environment[size]].map(Number) as [number, number];
    if (Number.isInteger(index) && index >= 0 && index < count) return { index: index + 1, count };
  }
  return null;
}
