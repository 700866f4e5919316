/** The answer of a command, as against its log. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
