import '@fontsource-variable/inter';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/parts.css';
import './styles/tables.css';
import './styles/chart.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client.ts';
import { sessionQuery } from './api/queries.ts';
import { router } from './router.tsx';
import { applyTheme } from './shell/theme.ts';

applyTheme();

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      retry: (failures, error) =>
        !(error instanceof ApiError && error.status >= 400 && error.status < 500) && failures < 5,
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 10_000),
    },
  },
});

// A session that ended anywhere is asked for again here, and the sign-in page shows.
queryClient.getQueryCache().subscribe(({ type, query }) => {
  const error = query.state.error;
  if (type !== 'updated' || !(error instanceof ApiError) || error.status !== 401) return;
  if (query.queryKey[0] !== 'session')
    void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
});

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
