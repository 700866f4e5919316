import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { Cpu, Gauge, LogOut, Moon, Router as RouterIcon, Sun, WifiOff } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { Button } from 'react-aria-components';
import { ApiError, call } from '../api/client.ts';
import { sessionQuery, summaryQuery } from '../api/queries.ts';
import type { Session } from '../api/types.ts';
import { age } from '../format/time.ts';
import { useConnection, useLiveUpdates, useNow } from '../live/hooks.ts';
import { SignIn } from './sign-in.tsx';
import { Failed } from './states.tsx';
import { chooseTheme, currentTheme, watchTheme } from './theme.ts';

/** Asks who is signed in, then shows the console around the screen that the address names. */
export function AppShell() {
  const session = useQuery(sessionQuery);
  if (session.error instanceof ApiError && session.error.status === 401) return <SignIn />;
  if (session.data !== undefined) return <Frame session={session.data} />;
  return (
    <main className="sign-in">
      {session.error === null ? (
        <p role="status">Opening the console …</p>
      ) : (
        <Failed error={session.error} retry={() => void session.refetch()} />
      )}
    </main>
  );
}

function Frame({ session }: { readonly session: Session }) {
  useLiveUpdates();
  const connection = useConnection();
  const summary = useQuery(summaryQuery);
  const alarms = summary.data?.alarmsActive ?? 0;
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="rail">
        <Link className="brand" to="/">
          <img src="/mark.svg" alt="" />
          <span>
            Millwright <small>{session.region}</small>
          </span>
        </Link>
        <nav aria-label="Screens">
          <ul>
            <li>
              <Link to="/" activeOptions={{ exact: true }}>
                <Gauge size={17} aria-hidden /> Now
                {alarms > 0 && (
                  <span className="count">
                    {alarms}
                    <span className="visually-hidden"> active alarms</span>
                  </span>
                )}
              </Link>
            </li>
            <li>
              <Link to="/devices">
                <Cpu size={17} aria-hidden /> Devices
              </Link>
            </li>
            <li>
              <Link to="/gateways">
                <RouterIcon size={17} aria-hidden /> Gateways
              </Link>
            </li>
          </ul>
        </nav>
        <div className="rail-foot">
          <ThemeButton />
          <SignOutButton user={session.user} />
        </div>
      </header>
      <main className={`main${connection.state === 'lost' ? ' has-lost' : ''}`} id="main" tabIndex={-1}>
        {connection.state === 'lost' && <LostBanner sinceMs={connection.sinceMs} />}
        <div className={connection.state === 'lost' ? 'is-stale' : undefined}>
          <Outlet />
        </div>
      </main>
    </div>
  );
}

function LostBanner({ sinceMs }: { readonly sinceMs: number }) {
  const now = useNow();
  return (
    <div className="banner" role="alert">
      <WifiOff size={16} aria-hidden /> No connection to the region for {age(now - sinceMs)}. What you see is
      from then; it is tried again by itself.
    </div>
  );
}

function ThemeButton() {
  const theme = useSyncExternalStore(watchTheme, currentTheme);
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <Button
      className="button plain small"
      aria-label={`Use the ${other} theme`}
      onPress={() => chooseTheme(other)}
    >
      {theme === 'dark' ? <Sun size={16} aria-hidden /> : <Moon size={16} aria-hidden />}
    </Button>
  );
}

function SignOutButton({ user }: { readonly user: string }) {
  const client = useQueryClient();
  const signOut = async () => {
    await call('DELETE', '/api/v1/session');
    client.clear();
    location.assign('/');
  };
  return (
    <Button className="button plain small" aria-label={`Sign out ${user}`} onPress={() => void signOut()}>
      <LogOut size={16} aria-hidden />
    </Button>
  );
}
