import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { ApiError, post } from '../api/client.ts';
import { sessionQuery } from '../api/queries.ts';
import type { Session } from '../api/types.ts';

/** The code of a one-time link, taken out of the address so that it is not kept in history. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code !== null) history.replaceState(null, '', '/');
  return code;
}
const codeFromLink = takeCode();

/** Exchanges a one-time link for a session, or says how to get one. */
export function SignIn() {
  const client = useQueryClient();
  const [state, setState] = useState<'idle' | 'working' | { readonly problem: string }>(
    codeFromLink === null ? 'idle' : 'working',
  );

  useEffect(() => {
    if (codeFromLink === null) return;
    post<Session>('/api/v1/session', { code: codeFromLink }).then(
      () => client.invalidateQueries({ queryKey: sessionQuery.queryKey }),
      (error: unknown) =>
        setState({ problem: error instanceof ApiError ? error.message : 'The link could not be checked.' }),
    );
  }, [client]);

  return (
    <main className="sign-in">
      <div>
        <img src="/mark.svg" alt="" />
        <h1>{state === 'working' ? 'Signing in …' : 'Sign in to Millwright'}</h1>
        {typeof state === 'object' && (
          <div className="error" role="alert">
            <p>{state.problem}</p>
          </div>
        )}
        {state !== 'working' && (
          <>
            <p>
              You sign in with a one-time link. The controller prints one when it starts; on its machine, this
              makes another:
            </p>
            <p>
              <code>npm run millwright -- region sign-in-link --state &lt;state folder&gt;</code>
            </p>
            <p className="quiet">A link works once and for 15 minutes.</p>
          </>
        )}
      </div>
    </main>
  );
}
