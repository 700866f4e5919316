import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readRepo } from './repo.ts';
import { ARROWS } from './rooms.ts';

const Patterns = z.array(z.object({ group: z.array(z.string()) }));
const Config = z.object({
  overrides: z.array(
    z.object({
      includes: z.array(z.string()),
      linter: z.object({
        rules: z.object({
          style: z
            .object({
              noRestrictedImports: z.object({ options: z.object({ patterns: Patterns }) }).optional(),
            })
            .optional(),
        }),
      }),
    }),
  ),
});

const { overrides } = Config.parse(JSON.parse(readRepo().text('biome.json')));

describe('what the editor forbids', () => {
  it.each(Object.entries(ARROWS))('to %s is what the arrows forbid', (room, allowed) => {
    const own = overrides.find(({ includes }) => includes.length === 1 && includes[0] === `${room}/**`);
    const group = own?.linter.rules.style?.noRestrictedImports?.options.patterns.flatMap(
      (each) => each.group,
    );
    const expected = allowed.flatMap((to) => [`!@millwright/${to}`, `!@millwright/${to}/**`]);
    expect(group?.toSorted()).toEqual(['@millwright/**', ...expected].toSorted());
  });
});
