#!/usr/bin/env node
// CommonJS syntax and no types, so that a Node too old for TypeScript still gets as far as the next line.
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Millwright needs Node 24.7 or newer and this is ${process.versions.node}: ` +
      'use "npm start" or "npm run millwright -- <noun> <verb>", which bring their own.',
  );
  process.exit(1);
}

async function main() {
  // Compiled code is kept for the next start: it takes half the time then, and a third less memory.
  // Children inherit the folder, so that for them even this file need not be read as TypeScript.
  const { enableCompileCache } = await import('node:module');
  const { join } = await import('node:path');
  const { directory } = enableCompileCache(join(__dirname, 'node_modules', '.cache', 'millwright'));
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory;
  const { Command } = await import('commander');
  const program = new Command('millwright')
    .description('Watch, run and mend the machines of a place, and prove what was done.')
    .showHelpAfterError('(add --help for what is possible here)')
    .showSuggestionAfterError();
  const rooms = await Promise.all([
    import('@millwright/gateway/cli'),
    import('@millwright/device-drivers/cli'),
    import('@millwright/fleet-controller/cli'),
    import('@millwright/cloud-core/cli'),
  ]);
  for (const room of rooms) room.register(program);
  await program.parseAsync();
}

main().catch((error) => {
  console.error(`millwright: ${error instanceof Error ? error.message : error}`);
  if (typeof error?.hint === 'string') console.error(`  ${error.hint}`);
  process.exitCode = error?.code === 'CONFIG_INVALID' ? 2 : 1;
});
