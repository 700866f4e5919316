import type { EventRecord } from '@millwright/protocol';
import { html } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';
import type { ActiveAlarm } from '../../alarms/alarm-record.ts';
import type { DeviceView, PointView, StatusView } from '../views.ts';
import { formatBytes, formatClock, formatDuration, formatUnit, formatValue } from './format.ts';

type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

export interface StatusPageModel {
  readonly status: StatusView;
  readonly alarms: readonly ActiveAlarm[];
  readonly events: readonly EventRecord[];
  readonly devices: readonly {
    readonly device: DeviceView;
    /** Undefined = folded. */
    readonly points: readonly PointView[] | undefined;
    /** Where a click on the device leads. */
    readonly toggleHref: string;
  }[];
}

const MAX_POINTS = 500;
const MAX_ALARMS = 50;
const MAX_EVENTS = 12;

/** The page of one gateway, whole: it says what is so without a script; the script only fetches it again. */
export function statusPage(model: StatusPageModel): Html {
  const { status } = model;
  return shell(
    `${status.name} · Millwright`,
    html`<header>
        <p class="brand">Millwright gateway</p>
        <h1>${status.name}</h1>
        <p class="muted">${status.site} · version ${status.version} · up ${formatDuration(status.uptimeMs)}</p>
      </header>
      <main id="main">
        ${tiles(status)} ${alarmList(model.alarms, status.nowMs)} ${deviceList(model)} ${eventList(model.events)}
        <footer class="muted">
          <p>
            As of <time datetime="${new Date(status.nowMs).toISOString()}">${formatClock(status.nowMs)}</time> UTC.
            ${status.broker ?? ''}
          </p>
          <p class="links"><a href="/metrics">Metrics</a> <a href="/api/v1/status">Status as JSON</a></p>
        </footer>
      </main>
      <p id="stale" role="status" hidden>The gateway does not answer. This is what it last said.</p>`,
    true,
  );
}

export function signInPage(isWrong: boolean): Html {
  return shell(
    'Sign in · Millwright',
    html`<main id="main" class="narrow">
      <p class="brand">Millwright gateway</p>
      <h1>Sign in</h1>
      <form method="post" action="/sign-in">
        <label for="token">Access token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        ${isWrong ? html`<p class="error" role="alert">That is not this gateway's token.</p>` : ''}
        <button>Sign in</button>
      </form>
      <p class="muted">It is in the file <code>api-token</code> in the gateway's state folder.</p>
    </main>`,
    false,
  );
}

function shell(title: string, body: Html, isLive: boolean): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/status.css" />
        ${isLive ? html`<script type="module" src="/assets/status.js"></script>` : ''}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}

function tiles({ uplink, journal, devices, alarms, nowMs }: StatusView): Html {
  const share = journal.maxBytes === 0 ? 0 : journal.bytes / journal.maxBytes;
  return html`<dl class="tiles">
    ${uplinkTile(uplink, nowMs)}
    <div class="tile ${journal.fault === undefined ? '' : 'bad'}">
      <dt>Journal</dt>
      <dd>${formatBytes(journal.bytes)} <small>of ${formatBytes(journal.maxBytes)}</small></dd>
      <dd>
        <meter min="0" max="1" high="0.8" value="${share.toFixed(4)}" aria-label="Journal fill">
          ${Math.round(share * 100)} %
        </meter>
      </dd>
      <dd class="muted">
        ${journal.fault ?? `${count(journal.entries, 'entry', 'entries')}, ${journal.pendingSamples} samples not on disk yet`}
        ${journal.droppedSamples > 0 ? html`<strong>${journal.droppedSamples} samples lost</strong>` : ''}
      </dd>
    </div>
    <div class="tile ${devices.online === devices.total ? '' : 'warn'}">
      <dt>Devices</dt>
      <dd>${devices.online} <small>of ${devices.total} online</small></dd>
    </div>
    <div class="tile ${alarms === 0 ? '' : 'bad'}">
      <dt>Alarms</dt>
      <dd>${alarms === 0 ? 'none' : alarms} ${alarms === 0 ? '' : html`<small>active</small>`}</dd>
    </div>
  </dl>`;
}

function uplinkTile(uplink: StatusView['uplink'], nowMs: number): Html {
  if (uplink.state === 'none') {
    return tile('', 'Region', 'none', 'This gateway was given no region; everything stays here.');
  }
  if (uplink.state === 'connected') {
    const since = `connected for ${formatDuration(nowMs - uplink.sinceMs)}`;
    return tile(
      '',
      'Region',
      uplink.region,
      `${since}; ${count(uplink.lagEntries, 'entry', 'entries')} behind`,
    );
  }
  const why = uplink.why === undefined ? '' : `${uplink.why}. `;
  const kept = `${count(uplink.lagEntries, 'entry is', 'entries are')} kept until it answers.`;
  return tile('warn', 'Region', uplink.state === 'connecting' ? 'not connected' : 'stopped', `${why}${kept}`);
}

function tile(tone: string, name: string, value: string, detail: string): Html {
  return html`<div class="tile ${tone}">
    <dt>${name}</dt>
    <dd>${value}</dd>
    <dd class="muted">${detail}</dd>
  </div>`;
}

function alarmList(alarms: readonly ActiveAlarm[], nowMs: number): Html {
  if (alarms.length === 0) return html`<div id="alarms"></div>`;
  return html`<section id="alarms" aria-labelledby="alarms-title">
    <h2 id="alarms-title">Active alarms</h2>
    <ul class="alarms">
      ${alarms.slice(0, MAX_ALARMS).map(
        ({ message, priority, raisedAtMs }) =>
          html`<li class="${priority}">
            <span>${message}</span> <span class="muted">for ${formatDuration(nowMs - raisedAtMs)}</span>
          </li>`,
      )}
    </ul>
    ${alarms.length > MAX_ALARMS ? html`<p class="muted">and ${alarms.length - MAX_ALARMS} more</p>` : ''}
  </section>`;
}

function deviceList({ devices, status }: StatusPageModel): Html {
  return html`<section aria-labelledby="devices-title">
    <h2 id="devices-title">Devices</h2>
    ${devices.length === 0 ? html`<p class="muted">No devices are described for this gateway yet.</p>` : ''}
    ${devices.map(
      ({ device, points, toggleHref }) =>
        html`<article id="device-${device.id}">
          <h3>
            <a href="${toggleHref}" aria-expanded="${points === undefined ? 'false' : 'true'}">${device.name}</a>
            <span class="chip ${device.online ? 'good' : 'bad'}">${device.online ? 'online' : 'offline'}</span>
          </h3>
          <p class="muted">
            ${device.type ?? device.driver} · ${device.online ? 'online' : 'offline'} for
            ${formatDuration(status.nowMs - device.sinceMs)}${device.why === undefined ? '' : `: ${device.why}`}
          </p>
          ${points === undefined ? '' : pointTable(device, points, status.nowMs)}
        </article>`,
    )}
  </section>`;
}

function pointTable(device: DeviceView, points: readonly PointView[], nowMs: number): Html {
  return html`<table>
      <caption>
        Points of ${device.name}
      </caption>
      <thead>
        <tr>
          <th scope="col">Point</th>
          <th scope="col" class="number">Value</th>
          <th scope="col">Quality</th>
          <th scope="col" class="number">Age</th>
        </tr>
      </thead>
      <tbody>
        ${points.slice(0, MAX_POINTS).map((point) => pointRow(point, nowMs))}
      </tbody>
    </table>
    ${
      points.length > MAX_POINTS
        ? html`<p class="muted">
            and ${points.length - MAX_POINTS} more, in <a href="/api/v1/devices/${device.id}">its JSON</a>
          </p>`
        : ''
    }`;
}

function pointRow({ id, label, unit, v, q, why, tGateway }: PointView, nowMs: number): Html {
  const unitText = unit === undefined ? '' : formatUnit(unit);
  return html`<tr>
    <th scope="row">${label ?? id.replaceAll('_', ' ')}</th>
    <td class="number">${formatValue(v)} <span class="muted">${v === null ? '' : unitText}</span></td>
    <td><span class="chip ${q}">${q}</span> <span class="muted">${why ?? ''}</span></td>
    <td class="number">${tGateway === null ? '–' : formatDuration(nowMs - tGateway)}</td>
  </tr>`;
}

function eventList(events: readonly EventRecord[]): Html {
  return html`<section aria-labelledby="events-title">
    <h2 id="events-title">Since the start</h2>
    ${
      events.length === 0
        ? html`<p class="muted">Nothing happened.</p>`
        : html`<ol class="events">
            ${events.slice(0, MAX_EVENTS).map(
              ({ atMs, message }) =>
                html`<li>
                  <time datetime="${new Date(atMs).toISOString()}">${formatClock(atMs)}</time> <span>${message}</span>
                </li>`,
            )}
          </ol>`
    }
  </section>`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
