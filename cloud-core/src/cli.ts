import type { Command } from 'commander';
import { registerUp } from './up/cli.ts';

/** Adds this room's nouns to the `millwright` command. */
export function register(program: Command): void {
  registerUp(program);
}
