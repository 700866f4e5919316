import { createRootRoute, createRoute, createRouter, Link } from '@tanstack/react-router';
import { DeviceScreen } from './screens/device/device-screen.tsx';
import { DevicesScreen } from './screens/devices-screen.tsx';
import { GatewaysScreen } from './screens/gateways-screen.tsx';
import { NowScreen } from './screens/now-screen.tsx';
import { AppShell } from './shell/app-shell.tsx';

const root = createRootRoute({
  component: AppShell,
  notFoundComponent: () => (
    <>
      <h1>Nothing here</h1>
      <p>
        This address names no screen. <Link to="/">Go to Now</Link>.
      </p>
    </>
  ),
});

const now = createRoute({ getParentRoute: () => root, path: '/', component: NowScreen });
// The one-time link's address; the session it opens shows the front page.
const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', component: NowScreen });
const devices = createRoute({ getParentRoute: () => root, path: '/devices', component: DevicesScreen });
const gateways = createRoute({ getParentRoute: () => root, path: '/gateways', component: GatewaysScreen });
const device = createRoute({
  getParentRoute: () => root,
  path: '/devices/$id',
  component: function Device() {
    const { id } = device.useParams();
    return <DeviceScreen key={id} id={id} />;
  },
});

export const router = createRouter({
  routeTree: root.addChildren([now, signIn, devices, gateways, device]),
  defaultPreload: 'intent',
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
