// Makes a fresh clone runnable. Plain CommonJS for old Nodes: it runs before our own Node is installed.
'use strict';
const { spawnSync, spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);
const stampFile = path.join(root, 'node_modules', '.millwright-installed');

/** Debian packages that tests use as real peers: package → the command that proves it is there. */
const PEERS = {
  mosquitto: '/usr/sbin/mosquitto',
  'mosquitto-clients': '/usr/bin/mosquitto_pub',
  mbpoll: '/usr/bin/mbpoll',
  socat: '/usr/bin/socat',
  'python3-pymodbus': '/usr/lib/python3/dist-packages/pymodbus',
  'python3-serial-asyncio': '/usr/lib/python3/dist-packages/serial_asyncio',
  chromium: '/usr/bin/chromium',
  postgresql: '/usr/lib/postgresql',
};

function wantedStamp() {
  return createHash('sha256')
    .update(fs.readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
}

function isInstalled() {
  try {
    return fs.readFileSync(stampFile, 'utf8') === wantedStamp();
  } catch (_absent) {
    return false;
  }
}

function install(done) {
  const startedMs = Date.now();
  const say = (text) => process.stderr.write(text);
  say('Installing packages with npm ci (once; about a minute) …\n');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const child = npm
    ? spawn(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    : spawn('npm', args, {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        shell: process.platform === 'win32',
      });
  let output = '';
  const keep = (chunk) => {
    output = (output + chunk).slice(-20000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const tick = setInterval(() => say(`  … ${Math.round((Date.now() - startedMs) / 1000)} s\n`), 15000);
  child.on('close', (code) => {
    clearInterval(tick);
    if (code !== 0) {
      say(`${output}\nnpm ci failed with exit code ${code}. Check the network and try again.\n`);
      process.exit(1);
    }
    fs.writeFileSync(stampFile, wantedStamp());
    say(`Installed in ${Math.round((Date.now() - startedMs) / 1000)} s.\n`);
    done();
  });
}

function installPeers() {
  const missing = Object.keys(PEERS).filter((name) => !fs.existsSync(PEERS[name]));
  if (missing.length === 0) return;
  const isRoot = typeof process.getuid === 'function' && process.getuid() === 0;
  if (!isRoot || !fs.existsSync('/usr/bin/apt-get')) {
    process.stderr.write(
      `Suites that need ${missing.join(', ')} will be skipped: ` +
        `${isRoot ? 'this is not Debian' : 'not root, so they cannot be installed here'}.\n`,
    );
    return;
  }
  process.stderr.write(`Installing Debian packages for real peers: ${missing.join(', ')} …\n`);
  const environment = Object.assign({}, process.env, { DEBIAN_FRONTEND: 'noninteractive' });
  const apt = (args) => spawnSync('apt-get', args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  apt(['update', '-qq']);
  const result = apt(['install', '-y', '-qq', '--no-install-recommends', ...missing]);
  if (result.status !== 0) {
    process.stderr.write(
      `Debian packages could not be installed; suites that need them will be skipped.\n${String(result.stderr).slice(-2000)}\n`,
    );
  }
}

/** Newest modification below a folder, so that the console is built again exactly when its source changed. */
function newestMs(directory) {
  let newest = 0;
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === 'dist' || entry.name === 'node_modules') continue;
    const full = path.join(directory, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestMs(full) : fs.statSync(full).mtimeMs);
  }
  return newest;
}

function buildConsole() {
  const source = path.join(root, 'fleet-controller', 'console');
  const built = path.join(source, 'dist', 'index.html');
  if (fs.existsSync(built) && fs.statSync(built).mtimeMs >= newestMs(source)) return;
  process.stderr.write('Building the console …\n');
  const bin = path.join(root, 'node_modules', '.bin');
  const node = path.join(bin, process.platform === 'win32' ? 'node.cmd' : 'node');
  const vite = path.join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const result = spawnSync(
    fs.existsSync(node) ? node : process.execPath,
    [vite, 'build', '--logLevel', 'warn'],
    {
      cwd: source,
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    },
  );
  if (result.status !== 0) {
    process.stderr.write('The console could not be built; see the lines above.\n');
    process.exit(1);
  }
  const now = new Date();
  fs.utimesSync(built, now, now);
}

function afterInstall() {
  if (process.argv.includes('--peers')) installPeers();
  if (process.argv.includes('--console')) buildConsole();
}

if (isInstalled()) afterInstall();
else install(afterInstall);
