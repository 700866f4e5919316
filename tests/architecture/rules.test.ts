import { describe, expect, it } from 'vitest';
import { memoryRepo, readRepo } from './repo.ts';
import { RULES } from './rules.ts';

const repo = readRepo();

describe('the repository keeps the rule', () => {
  it.each(Object.entries(RULES))('%s', (_name, rule) => {
    expect(rule(repo)).toEqual([]);
  });
});

const manifest = (parts: object) => JSON.stringify({ name: 'x', ...parts });
const gateway = manifest({
  exports: { '.': './src/index.ts' },
  dependencies: { '@millwright/protocol': '0.1.0', hono: '1.0.0' },
  devDependencies: { mqtt: '1.0.0' },
});

/** Every rule is given a repository that breaks it, so that none of them passes because it looks at nothing. */
describe.each<[rule: string, why: string, files: Readonly<Record<string, string>>, breach: string]>([
  ['topLevelIsKnown', 'a new folder at the top', { 'scripts/a.sh': '' }, 'scripts is not one of'],
  ['topLevelIsKnown', 'a new file at the top', { 'notes.md': '' }, 'notes.md is not one of'],
  [
    'dependenciesFollowArrows',
    'a dependency against the arrows',
    { 'vault-sync/package.json': manifest({ dependencies: { '@millwright/gateway': '0.1.0' } }) },
    'vault-sync/package.json depends on gateway',
  ],
  [
    'dependenciesFollowArrows',
    'the same for tests only',
    { 'protocol/package.json': manifest({ devDependencies: { '@millwright/gateway': '0.1.0' } }) },
    'protocol/package.json depends on gateway',
  ],
  [
    'importsFollowArrows',
    'an import against the arrows',
    { 'gateway/src/a.ts': "import { x } from '@millwright/cloud-core';" },
    'gateway/src/a.ts imports "@millwright/cloud-core"',
  ],
  [
    'importsFollowArrows',
    'a type against the arrows',
    { 'gateway/src/a.ts': "import type { X } from '@millwright/fleet-controller/cli';" },
    'which gateway may not',
  ],
  [
    'importsFollowArrows',
    'a re-export against the arrows',
    { 'cloud-core/src/a.ts': "export * from '@millwright/edge-models';" },
    'which cloud-core may not',
  ],
  [
    'importsFollowArrows',
    'a dynamic import against the arrows',
    { 'edge-models/src/a.ts': "export const load = () => import('@millwright/gateway');" },
    'which edge-models may not',
  ],
  [
    'importsFollowArrows',
    'a way around by path',
    { 'gateway/src/a/b.ts': "import { x } from '../../../cloud-core/src/index.ts';" },
    'reaches out of its room',
  ],
  [
    'importsFollowArrows',
    'a launcher that does more than launch',
    { 'millwright.ts': "import { x } from '@millwright/gateway';" },
    "may only load a room's cli",
  ],
  [
    'importsAreDeclared',
    'an undeclared package',
    { 'gateway/package.json': gateway, 'gateway/src/a.ts': "import express from 'express/lib/x.js';" },
    'gateway/src/a.ts imports "express", which gateway does not declare',
  ],
  [
    'whatRunsIsNoDevDependency',
    'production code on a test library',
    {
      'gateway/package.json': gateway,
      'gateway/src/index.ts': "export * from './a.ts';",
      'gateway/src/a.ts': "import mqtt from 'mqtt'; export { mqtt };",
    },
    'gateway/src/a.ts runs in production and imports "mqtt"',
  ],
  [
    'protocolCoreIsPure',
    'a file read in the core',
    { 'protocol/src/a.ts': "import { readFileSync } from 'node:fs';" },
    'imports "node:fs"',
  ],
  [
    'protocolCoreIsPure',
    'a network in the core',
    { 'protocol/src/wire/a.ts': "import { createLibp2p } from 'libp2p';" },
    'imports "libp2p"',
  ],
  [
    'protocolCoreIsPure',
    'the edge in the core',
    { 'protocol/src/wire/a.ts': "export * from '../node/system-clock.ts';" },
    'I/O belongs in protocol/src/node',
  ],
  [
    'oneIndexPerRoom',
    'a room without a public index',
    { 'gateway/package.json': manifest({ exports: {} }), 'gateway/src/a.ts': '' },
    'gateway/package.json does not export "."',
  ],
  [
    'oneIndexPerRoom',
    'an export of nothing',
    {
      'gateway/package.json': manifest({ exports: { '.': './src/index.ts', './x': './src/x.ts' } }),
      'gateway/src/index.ts': '',
    },
    'exports gateway/src/x.ts, which is not there',
  ],
  [
    'oneIndexPerRoom',
    'a barrel below the index',
    { 'gateway/package.json': gateway, 'gateway/src/index.ts': '', 'gateway/src/journal/index.ts': '' },
    'gateway/src/journal/index.ts is a second index',
  ],
  [
    'foldersSayWhatIsInThem',
    'a folder of leftovers',
    { 'gateway/src/utils/a.ts': '' },
    'gateway/src/utils says nothing',
  ],
  ['filesAreShort', 'a file without end', { 'gateway/src/a.ts': '//\n'.repeat(451) }, 'has 451 lines'],
  [
    'ownCodeIsNotMocked',
    'a mocked module',
    { 'gateway/src/a.test.ts': `vi.${'mock'}('./journal.ts');` },
    'gateway/src/a.test.ts replaces a module',
  ],
  [
    'nothingIsLeftForLater',
    'a note to oneself',
    { 'gateway/src/a.ts': '// TO' + 'DO: the rest' },
    'leaves something for later',
  ],
])('the rule %s', (name, why, files, breach) => {
  it(`finds ${why}`, () => {
    expect(RULES[name]?.(memoryRepo(files)).join('\n')).toContain(breach);
  });
});

describe('the rules', () => {
  it('look at all there is', () => {
    expect(repo.paths.filter((path) => path.startsWith('gateway/src/')).length).toBeGreaterThan(10);
  });
});
