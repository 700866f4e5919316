/** Who may import whom: the same table as in docs/architecture.md, which a test compares with this one. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  'device-drivers': ['protocol'],
  'edge-models': ['protocol'],
  'firmware-bridges': ['protocol'],
  'vault-sync': ['protocol'],
  gateway: ['protocol', 'device-drivers', 'edge-models', 'firmware-bridges', 'vault-sync'],
  'fleet-controller': ['protocol', 'edge-models', 'firmware-bridges'],
  'cloud-core': ['protocol', 'vault-sync'],
};

/** Workspaces that are no room of the system: `tests` may import everything, `docs` holds no code. */
const BESIDE = ['tests', 'docs'];

/** Everything that may stand at the top of the repository. */
export const TOP_LEVEL: ReadonlySet<string> = new Set([
  ...Object.keys(ARROWS),
  ...BESIDE,
  '.ci',
  '.githooks',
  '.gitattributes',
  '.gitignore',
  '.npmrc',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'biome.json',
  'millwright.ts',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'vitest.config.mts',
]);

/** The names an allowed arrow goes to, as a package is called. */
export function roomOfPackage(packageName: string): string | undefined {
  return packageName.startsWith('@millwright/') ? packageName.slice('@millwright/'.length) : undefined;
}

export function roomOfPath(path: string): string {
  return path.slice(0, Math.max(0, path.indexOf('/')));
}
