/** The import graph of the source tree: which file imports which, and the circles in it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { root } from './cli/command.js';

/** Each node with the nodes that it imports. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** Relative imports and exports of TypeScript source, types and import() included, as paths from the root. */
export function typescriptImports(file: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => join(dirname(file), fileName).replace(/\.js$/, '.ts'));
}

/** Quoted includes of C++ and CUDA source. They are written as paths from the root. */
export function includes(text: string): string[] {
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/gm)].map((match) => match[1]!);
}

/** The imports of every source file below the given folders. */
export function readImports(...folders: string[]): Graph {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  );
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const text = () => readFileSync(join(root, file), 'utf8');
    if (/\.ts$/.test(file)) graph.set(file, typescriptImports(file, text()));
    if (/\.(cpp|h|cu|cuh)$/.test(file)) graph.set(file, includes(text()));
  }
  return graph;
}

/** Merges the nodes that `groupOf` maps to the same name. Imports inside a group are dropped. */
export function groupImports(graph: Graph, groupOf: (file: string) => string): Graph {
  const groups = new Map<string, Set<string>>();
  for (const [file, targets] of graph) {
    const group = groupOf(file);
    const imports = groups.get(group) ?? new Set();
    for (const target of targets) if (groupOf(target) !== group) imports.add(groupOf(target));
    groups.set(group, imports);
  }
  return new Map([...groups].map(([group, imports]) => [group, [...imports]]));
}

/**
 * Strongly connected components that contain a circle, by Tarjan's algorithm (SIAM J. Comput. 1(2), 1972).
 * Each is sorted. A node that imports itself is a circle.
 */
export function findCircles(graph: Graph): string[][] {
  const index = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];

  function visit(node: string): void {
    index.set(node, index.size);
    lowest.set(node, index.get(node)!);
    stack.push(node);
    const targets = graph.get(node) ?? [];
    for (const target of targets) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) lowest.set(node, Math.min(lowest.get(node)!, lowest.get(target)!));
    }
    if (lowest.get(node) !== index.get(node)) return;
    const component = stack.splice(stack.indexOf(node));
    if (component.length > 1 || targets.includes(node)) circles.push(component.sort());
  }

  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return circles;
}
