/** The heads of a grader: one per task, on one embedding. */
import type { Tensor } from '../../engine/tensor.js';
import { SpinegradError } from '../../error.js';
import type { Build } from '../../nn/layers.js';
import { Module } from '../../nn/module.js';
import type { HeadLayers } from './head.js';
import { HEADS } from './index.js';
import type { HeadName } from './names.js';

/** The head of a task; it determines the names and the shapes of the head's state. */
export interface TaskHead {
  /** Id of the task. */
  task: string;
  head: HeadName;
  /** Number of grades. */
  grades: number;
}

/** Embeddings [N, features] to logits, one tensor [N, outputs] per task; state names `<task>.*`. */
export class Heads extends Module {
  readonly layers: readonly HeadLayers[];

  /** @throws SpinegradError ERR_TASK if the names of two tasks differ in punctuation only */
  constructor(
    build: Build,
    features: number,
    readonly of: readonly TaskHead[],
  ) {
    super();
    const names = of.map(({ task }) => stateName(task));
    const repeated = names.findIndex((name, index) => names.indexOf(name) < index);
    if (repeated >= 0) {
      throw new SpinegradError(
        'ERR_TASK',
        `task ${of[repeated]!.task}: another task has the same name ${names[repeated]} in weight files; rename one`,
      );
    }
    this.layers = of.map(({ head, grades }, index) =>
      this.child(names[index]!, HEADS[head].layers(build, features, grades)),
    );
  }

  forward(embeddings: Tensor): Tensor[] {
    return this.layers.map((layers) => layers.forward(embeddings));
  }
}

/** The id of a task as a part of a tensor's name: `spider/modic` -> `spider_modic`. */
const stateName = (task: string): string => task.replace(/[^A-Za-z0-9_]+/g, '_');
