/** Statistics of grades, for the phantom's tests and its calibration. */

/** Read grades, one row of five a study. */
export function grades(seed, studies, prevalence, { drawStudy, readStudy }, key = 'readGrade') {
  return Array.from({ length: studies }, (_, index) =>
    readStudy(drawStudy(seed, index, prevalence, 7)).map((reading) => reading[key]),
  );
}

/** Spearman's rank correlation, ties at their mean rank. */
export function spearman(a, b) {
  return pearson(ranks(a), ranks(b));
}

/** Cohen's kappa of two graders over classes 0..2; unweighted. */
export function cohensKappa(a, b) {
  const share = (values, grade) => values.filter((value) => value === grade).length / values.length;
  const agreed = a.filter((value, i) => value === b[i]).length / a.length;
  const chance = [0, 1, 2].reduce((sum, grade) => sum + share(a, grade) * share(b, grade), 0);
  return (agreed - chance) / (1 - chance);
}

function ranks(values) {
  const order = [...values.keys()].sort((i, j) => values[i] - values[j]);
  const result = new Array(values.length);
  for (let i = 0; i < order.length; ) {
    let j = i;
    while (j < order.length && values[order[j]] === values[order[i]]) j++;
    for (let k = i; k < j; k++) result[order[k]] = (i + j - 1) / 2;
    i = j;
  }
  return result;
}

function pearson(a, b) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
    ab += (a[i] - ma) * (b[i] - mb);
  }
  return ab / Math.sqrt(aa * bb);
}
