import { expect, test } from 'vitest';
import {
  argsCases,
  deviations,
  execCases,
  nameCases,
  resultCases,
  type VectorFile,
  versionVectors,
} from '../../fixture/cni-vectors.ts';

const known: Record<VectorFile, string[]> = {
  exec: execCases.map(({ name }) => name),
  results: resultCases.map(({ name }) => name),
  'cni-args': argsCases.map(({ name }) => name),
  names: Object.entries(nameCases).flatMap(([list, rows]) =>
    rows.map(({ value }) => `${list} ${JSON.stringify(value)}`),
  ),
  versions: versionVectors.decode.map(({ stdin }) => `decode ${stdin}`),
};

test('every listed deviation names one vector and gives a reason', () => {
  const rows = deviations.map(({ file, name }) => `${file}: ${name}`);
  expect(new Set(rows).size).toBe(rows.length);
  for (const { file, name, reason } of deviations) {
    expect(known[file]).toContain(name);
    expect(reason).not.toBe('');
  }
});
