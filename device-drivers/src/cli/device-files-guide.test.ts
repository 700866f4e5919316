import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type DeviceSpec, resolveSite, type SourceFile } from '@millwright/protocol';
import { Expression } from '@millwright/protocol/expression';
import { expect, it } from 'vitest';
import { shippedTypeFiles } from '../simulators/shipped-types.ts';

const GUIDE = fileURLToPath(new URL('../../../docs/guides/device-files.md', import.meta.url));

/** The YAML blocks of the guide; a part of a type is made a whole one. */
async function examples(): Promise<{ readonly types: SourceFile[]; readonly sites: string[] }> {
  const text = await readFile(GUIDE, 'utf8');
  const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const types: SourceFile[] = [];
  const sites: string[] = [];
  for (const [index, block] of blocks.entries()) {
    const first = block.split('\n').find((line) => line !== '' && !line.startsWith('#')) ?? '';
    const name = `block ${index + 1}`;
    if (first.startsWith('- ')) sites.push(block);
    else if (first.startsWith('type:')) types.push({ name, text: block });
    else types.push({ name, text: `type: example-${index}@1\ndriver: modbus\n${block}` });
  }
  return { types, sites };
}

const resolve = (site: string, types: readonly SourceFile[]): DeviceSpec[] =>
  resolveSite({ site: { name: 'site.yaml', text: site }, types, expressions: Expression });

it('has no example that is not right', async () => {
  const { types, sites } = await examples();
  expect([types.length, sites.length]).toEqual([7, 2]);
  const all = [...(await shippedTypeFiles()), ...types];
  for (const site of sites) expect(resolve(site, all).length).toBeGreaterThan(0);
  const used = types.map(({ text }, at) => {
    const type = /^type: (\S+)$/m.exec(text)?.[1];
    return `- { id: d-${at}, type: ${type}, connect: { tcp: "h:1" } }`;
  });
  expect(resolve(used.join('\n'), types)).toHaveLength(types.length);
});

it('says of its examples what they come to', async () => {
  const { types, sites } = await examples();
  const [first = ''] = sites;
  const specs = resolve(first, types);
  const named = new Map<string, DeviceSpec>(specs.map((spec) => [spec.id, spec]));
  expect(named.get('meter-7')?.points).toMatchObject({
    power_a: { report: { relativeDeadband: 0.005, heartbeat: 300_000 }, stale: 60_000 },
    energy: { scan: 'slow' },
  });
  expect(Object.values(named.get('meter-8')?.points ?? {})[0]?.stale).toBe(300_000);
  expect(Object.keys(named.get('meter-8')?.computed ?? {})).toEqual(['power', 'share']);
});

it('shows the very words of a mistake', async () => {
  const { types } = await examples();
  const site = '- id: meter-7\n  type: acme-em3@1\n  connect: { tcp: "h:1", unti: 7 }\n';
  const wrong = types.map(({ text }) => ({
    name: 'types/acme-em3.yaml',
    text: text.replace('+ power_b', '+ power_c'),
  }));
  const guide = await readFile(GUIDE, 'utf8');
  const told = (types: readonly SourceFile[]) => {
    try {
      return String(resolve(site, types));
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  };
  for (const line of [...told(types.slice(0, 1)).split('\n'), ...told(wrong.slice(0, 1)).split('\n')]) {
    expect(guide).toContain(line);
  }
});
