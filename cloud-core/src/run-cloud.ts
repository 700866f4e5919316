import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InvalidInputError, parseYamlDocument } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { ReadyFile, untilTold } from '@millwright/protocol/node/process';
import pino from 'pino';
import { Cloud } from './cloud.ts';
import { CloudConfig } from './config.ts';

export interface CloudRunOptions {
  readonly config: string;
  readonly state: string;
  readonly readyFile?: string;
}

/** Runs the cloud until SIGINT, SIGTERM or the end of the process that started it. */
export async function runCloud(
  options: CloudRunOptions,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const text = await readInput(options.config);
  const parsed = parseYamlDocument({ name: options.config, text }, CloudConfig, { variables });
  const base = dirname(options.config);
  const config: CloudConfig = {
    ...parsed,
    tokenFile: resolve(base, parsed.tokenFile),
    ...(parsed.vault === undefined
      ? {}
      : { vault: { ...parsed.vault, directory: resolve(base, parsed.vault.directory) } }),
  };
  const token = (await readInput(config.tokenFile)).trim();
  if (token.length < 20)
    throw new InvalidInputError(
      'TOKEN_TOO_SHORT',
      `the token in ${config.tokenFile} has fewer than 20 characters`,
      { hint: 'write a random one: openssl rand -base64 32' },
    );
  await mkdir(options.state, { recursive: true });

  const logger = pino({ name: 'cloud' });
  const cloud = new Cloud(
    { clock: systemClock, logger, token, memoryFile: join(options.state, 'vault-memory.json') },
    config,
  );
  const file = options.readyFile === undefined ? undefined : new ReadyFile({ logger }, options.readyFile);
  await file?.remove();
  await untilTold(async (told) => {
    try {
      await cloud.start();
      logger.info({ url: cloud.url }, 'the cloud is open');
      await file?.write({ http: cloud.url });
      await told.promise;
    } finally {
      await file?.remove();
      await cloud.stop();
    }
  });
}

async function readInput(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InvalidInputError('FILE_MISSING', `cannot read ${file}`, { hint: 'check the path', cause });
  }
}
