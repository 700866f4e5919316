import { isBuiltin } from 'node:module';
import {
  type Import,
  importsOf,
  type Manifest,
  manifestOf,
  packageOf,
  roomsOf,
  sourcePaths,
  targetOf,
} from './imports.ts';
import type { Repo } from './repo.ts';
import { ARROWS, roomOfPackage, roomOfPath, TOP_LEVEL } from './rooms.ts';

/** A rule reads the repository and returns one sentence per breach. */
export type Rule = (repo: Repo) => string[];

const MAX_LINES = 450;
const VAGUE = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'managers', 'manager']);

function allows(from: string, to: string): boolean {
  return from === 'tests' || (ARROWS[from]?.includes(to) ?? false);
}

function eachImport(repo: Repo): Import[] {
  return sourcePaths(repo).flatMap((path) => importsOf(repo, path));
}

export const topLevelIsKnown: Rule = (repo) =>
  [...new Set(repo.paths.map((path) => path.split('/')[0] ?? path))]
    .filter((entry) => !TOP_LEVEL.has(entry))
    .map((entry) => `${entry} is not one of the entries the top of the repository may have`);

export const dependenciesFollowArrows: Rule = (repo) =>
  roomsOf(repo).flatMap((room) => {
    const { dependencies, devDependencies } = manifestOf(repo, room);
    return Object.keys({ ...dependencies, ...devDependencies })
      .map(roomOfPackage)
      .filter((to) => to !== undefined && !allows(room, to))
      .map((to) => `${room}/package.json depends on ${to}, which ${room} may not import`);
  });

export const importsFollowArrows: Rule = (repo) =>
  eachImport(repo).flatMap((each) => {
    const { from, specifier } = each;
    const room = roomOfPath(from);
    const target = targetOf(each);
    if (target !== undefined) {
      return roomOfPath(target) === room ? [] : [`${from} reaches out of its room with "${specifier}"`];
    }
    const to = roomOfPackage(packageOf(specifier) ?? '');
    if (to === undefined) return [];
    if (room === '')
      return specifier.endsWith('/cli') ? [] : [`${from} may only load a room's cli, not "${specifier}"`];
    return allows(room, to) ? [] : [`${from} imports "${specifier}", which ${room} may not`];
  });

export const importsAreDeclared: Rule = (repo) =>
  eachImport(repo).flatMap(({ from, specifier }) => {
    const name = packageOf(specifier);
    if (name === undefined) return [];
    const room = roomOfPath(from);
    if (room === '' && roomOfPackage(name) !== undefined) return [];
    return name in declared(manifestOf(repo, room))
      ? []
      : [`${from} imports "${name}", which ${room || 'the root'} does not declare`];
  });

function declared(manifest: Manifest): Readonly<Record<string, string>> {
  return { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
}

/** What a room runs in production: all that can be reached from its entries, its test suites left out. */
export const whatRunsIsNoDevDependency: Rule = (repo) => {
  const sources = new Set(sourcePaths(repo));
  return roomsOf(repo).flatMap((room) => {
    const manifest = manifestOf(repo, room);
    const entries = Object.entries(manifest.exports).filter(([name]) => !/testing|contract/.test(name));
    const waiting = entries.map(([, target]) => `${room}/${target.replace(/^\.\//, '')}`);
    const seen = new Set<string>();
    const breaches: string[] = [];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (seen.has(path) || !sources.has(path)) continue;
      seen.add(path);
      for (const each of importsOf(repo, path)) {
        const target = targetOf(each);
        if (target !== undefined) waiting.push(target);
        const name = packageOf(each.specifier);
        if (name !== undefined && name in manifest.devDependencies && !(name in manifest.dependencies))
          breaches.push(`${path} runs in production and imports "${name}", a devDependency of ${room}`);
      }
    }
    return breaches;
  });
};

export const protocolCoreIsPure: Rule = (repo) =>
  eachImport(repo)
    .filter(({ from }) => /^protocol\/src\/(?!node\/|testing\/)/.test(from) && !/\.test\.ts$/.test(from))
    .filter((each) => {
      const name = packageOf(each.specifier) ?? '';
      const io = /^(libp2p|pino)$|^@libp2p\/|^@multiformats\//.test(name);
      const edge = targetOf(each)?.startsWith('protocol/src/node/') ?? false;
      return isBuiltin(each.specifier) || io || edge;
    })
    .map(({ from, specifier }) => `${from} imports "${specifier}": I/O belongs in protocol/src/node`);

export const oneIndexPerRoom: Rule = (repo) =>
  roomsOf(repo).flatMap((room) => {
    const targets = Object.entries(manifestOf(repo, room).exports);
    const indexes = repo.paths.filter(
      (path) => path.startsWith(`${room}/src/`) && path.endsWith('/index.ts'),
    );
    const hasSource = repo.paths.some((path) => path.startsWith(`${room}/src/`));
    const exported = new Map(
      targets.map(([name, target]) => [`${room}/${target.replace(/^\.\//, '')}`, name]),
    );
    const lost = [...exported.keys()].filter((path) => !repo.paths.includes(path));
    const barrels = indexes.filter((path) => !exported.has(path) && !isDriverModule(path));
    return [
      ...(hasSource && exported.get(`${room}/src/index.ts`) !== '.'
        ? [`${room}/package.json does not export "." from ./src/index.ts`]
        : []),
      ...lost.map((path) => `${room}/package.json exports ${path}, which is not there`),
      ...barrels.map((path) => `${path} is a second index: import the file itself`),
    ];
  });

/** A driver's folder is loaded as a whole, on first use: its index is its `DriverModule`. */
function isDriverModule(path: string): boolean {
  return /^device-drivers\/src\/[^/]+\/index\.ts$/.test(path);
}

export const foldersSayWhatIsInThem: Rule = (repo) => {
  const folders = new Set(
    repo.paths.flatMap((path) =>
      path
        .split('/')
        .slice(0, -1)
        .map((_, n, parts) => parts.slice(0, n + 1).join('/')),
    ),
  );
  return [...folders]
    .filter((folder) => VAGUE.has(folder.split('/').at(-1) ?? ''))
    .map((folder) => `${folder} says nothing about what is in it`);
};

export const filesAreShort: Rule = (repo) =>
  sourcePaths(repo)
    .filter((path) => !path.includes('.gen.'))
    .map((path) => ({ path, lines: repo.text(path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines; above ${MAX_LINES} it is two files`);

export const ownCodeIsNotMocked: Rule = (repo) =>
  sourcePaths(repo)
    .filter((path) => path.endsWith('.test.ts') && /\bvi\.(mock|doMock|stubGlobal)\(/.test(repo.text(path)))
    .map((path) => `${path} replaces a module: use the in-memory twin of the port`);

export const nothingIsLeftForLater: Rule = (repo) =>
  sourcePaths(repo)
    .filter((path) => /\/\/.*\b(TODO|FIXME|XXX)\b|\b(it|test|describe)\.(todo|only)\(/.test(repo.text(path)))
    .map((path) => `${path} leaves something for later: do it, or leave it out`);

export const RULES: Readonly<Record<string, Rule>> = {
  topLevelIsKnown,
  dependenciesFollowArrows,
  importsFollowArrows,
  importsAreDeclared,
  whatRunsIsNoDevDependency,
  protocolCoreIsPure,
  oneIndexPerRoom,
  foldersSayWhatIsInThem,
  filesAreShort,
  ownCodeIsNotMocked,
  nothingIsLeftForLater,
};
