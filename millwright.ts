#!/usr/bin/env node
import { Command } from 'commander';

const program = new Command('millwright')
  .description('Watch, run and mend the machines of a place, and prove what was done.')
  .showHelpAfterError()
  .showSuggestionAfterError();

await program.parseAsync();
