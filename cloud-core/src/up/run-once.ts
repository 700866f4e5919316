import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UnavailableError } from '@millwright/protocol';

const execFileAsync = promisify(execFile);

/** Runs one `millwright` command to its end. @throws UnavailableError with what it printed */
export async function runOnce(
  program: string,
  args: readonly string[],
  options: { readonly signal: AbortSignal },
): Promise<void> {
  try {
    await execFileAsync(process.execPath, [program, ...args], { signal: options.signal, maxBuffer: 1 << 20 });
  } catch (cause) {
    const printed = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : String(cause);
    throw new UnavailableError(
      'COMMAND_FAILED',
      `millwright ${args.slice(0, 3).join(' ')} failed: ${printed}`,
      { retry: 'never', cause },
    );
  }
}
