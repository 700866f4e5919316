import { queryOptions } from '@tanstack/react-query';
import { get, getAll } from './client.ts';
import type {
  AlarmView,
  DeviceDetail,
  DeviceView,
  EventView,
  GapView,
  GatewayView,
  History,
  Page,
  Session,
  Summary,
} from './types.ts';

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: () => get<Session>('/api/v1/session'),
  staleTime: 60_000,
});

export const summaryQuery = queryOptions({
  queryKey: ['summary'],
  queryFn: () => get<Summary>('/api/v1/summary'),
  refetchInterval: 5000,
});

export const alarmsQuery = queryOptions({
  queryKey: ['alarms'],
  queryFn: () => get<Page<AlarmView>>('/api/v1/alarms?limit=200'),
  refetchInterval: 30_000,
});

export const gatewaysQuery = queryOptions({
  queryKey: ['gateways'],
  queryFn: () => getAll<GatewayView>('/api/v1/gateways'),
  refetchInterval: 30_000,
});

export const devicesQuery = queryOptions({
  queryKey: ['devices'],
  queryFn: () => getAll<DeviceView>('/api/v1/devices'),
  refetchInterval: 60_000,
});

export const deviceQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id],
    queryFn: () => get<DeviceDetail>(`/api/v1/devices/${encodeURIComponent(id)}`),
  });

export const eventsQuery = (device?: string) =>
  queryOptions({
    queryKey: ['events', device ?? null],
    queryFn: () =>
      get<Page<EventView>>(
        `/api/v1/event-log?limit=30${device === undefined ? '' : `&device=${encodeURIComponent(device)}`}`,
      ),
  });

export const gapsQuery = (fromMs: number) =>
  queryOptions({
    queryKey: ['gaps', fromMs],
    queryFn: () => get<Page<GapView>>(`/api/v1/gaps?limit=50&from=${fromMs}`),
    refetchInterval: 60_000,
  });

export const historyQuery = (device: string, point: string, fromMs: number, toMs: number) =>
  queryOptions({
    queryKey: ['history', device, point, fromMs, toMs],
    queryFn: () =>
      get<History>(
        `/api/v1/devices/${encodeURIComponent(device)}/points/${encodeURIComponent(point)}/history?from=${fromMs}&to=${toMs}`,
      ),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
