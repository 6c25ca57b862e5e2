/** Exit code of `predict` if the grades of at least one level are doubtful or missing. */
export const INCOMPLETE = 4;
