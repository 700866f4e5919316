import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import {
  alarmsQuery,
  deviceQuery,
  devicesQuery,
  eventsQuery,
  gatewaysQuery,
  summaryQuery,
} from '../api/queries.ts';
import type { DeviceView, GatewayView, PointView, StreamValue } from '../api/types.ts';
import { type Connection, liveStore } from './live-store.ts';

type Latest = Pick<StreamValue, 'v' | 'q' | 'why' | 'tSource' | 'tGateway'>;

/** The newest value of a point: from the stream, or what was loaded when the stream has none yet. */
export function useLatest(device: string, point: PointView): Latest | undefined {
  const subscribe = useCallback(
    (onChange: () => void) => liveStore.watch(device, point.id, onChange),
    [device, point.id],
  );
  const live = useSyncExternalStore(subscribe, () => liveStore.value(device, point.id));
  if (live !== undefined && live.tGateway >= (point.tGateway ?? 0)) return live;
  if (point.tSource === null || point.tGateway === null) return undefined;
  return {
    v: point.v,
    q: point.q,
    ...(point.why === null ? {} : { why: point.why }),
    tSource: point.tSource,
    tGateway: point.tGateway,
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(liveStore.watchConnection, () => liveStore.connection);
}

/** Wall time that ticks, for ages. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Opens the stream and keeps the loaded lists true by what it says. */
export function useLiveUpdates(): void {
  const client = useQueryClient();
  useEffect(() => {
    liveStore.open();
    const reload = (key: readonly unknown[]) => client.invalidateQueries({ queryKey: key });
    const unlisten = liveStore.listen({
      device: (changed) => {
        if (changed.gone) {
          void reload(devicesQuery.queryKey);
          return;
        }
        let found = false;
        client.setQueryData<DeviceView[]>(devicesQuery.queryKey, (list) =>
          list?.map((device) => {
            if (device.id !== changed.id) return device;
            found = true;
            const { gone: _, ...rest } = changed;
            return { ...device, ...rest };
          }),
        );
        if (!found) void reload(devicesQuery.queryKey);
        void reload(deviceQuery(changed.id).queryKey);
        void reload(summaryQuery.queryKey);
      },
      gateway: (changed) => {
        client.setQueryData<GatewayView[]>(gatewaysQuery.queryKey, (list) =>
          list?.map((gateway) => (gateway.id === changed.id ? { ...gateway, ...changed } : gateway)),
        );
        void reload(gatewaysQuery.queryKey);
        void reload(summaryQuery.queryKey);
      },
      event: (event) => {
        void reload(eventsQuery().queryKey);
        if (event.device !== null) void reload(eventsQuery(event.device).queryKey);
        if (!event.type.startsWith('alarm.')) return;
        void reload(alarmsQuery.queryKey);
        void reload(summaryQuery.queryKey);
        if (event.device !== null) void reload(deviceQuery(event.device).queryKey);
      },
      gap: () => reload(['gaps']),
      reset: () => client.invalidateQueries(),
    });
    return () => {
      unlisten();
      liveStore.close();
    };
  }, [client]);
}
