import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import {
  type ColumnDef,
  columnFilteringFeature,
  createFilteredRowModel,
  createSortedRowModel,
  filterFn_includesString,
  globalFilteringFeature,
  rowSortingFeature,
  sortFn_alphanumeric,
  sortFn_basic,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp, Search } from 'lucide-react';
import { useMemo, useRef, useState } from 'react';
import { Input, SearchField } from 'react-aria-components';
import { devicesQuery, gatewaysQuery } from '../api/queries.ts';
import type { DeviceView } from '../api/types.ts';
import { Age } from '../shell/age.tsx';
import { Empty, Failed, Loading, OnlineTag } from '../shell/states.tsx';

const ROW_PX = 36;

const features = tableFeatures({
  rowSortingFeature,
  columnFilteringFeature,
  globalFilteringFeature,
  sortedRowModel: createSortedRowModel(),
  filteredRowModel: createFilteredRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, basic: sortFn_basic },
  filterFns: { includesString: filterFn_includesString },
});

/** A device with what the list shows of it, as text that can be searched and sorted. */
interface Row extends DeviceView {
  readonly gatewayName: string;
  readonly state: string;
}

const columns: ColumnDef<typeof features, Row>[] = [
  { accessorKey: 'name', header: 'Device', sortFn: 'alphanumeric' },
  { accessorKey: 'type', header: 'Type', sortFn: 'alphanumeric' },
  { accessorKey: 'driver', header: 'Driver', sortFn: 'alphanumeric' },
  { accessorKey: 'gatewayName', header: 'Gateway', sortFn: 'alphanumeric' },
  { accessorKey: 'site', header: 'Site', sortFn: 'alphanumeric' },
  { accessorKey: 'state', header: 'State', sortFn: 'alphanumeric' },
  { accessorKey: 'lastValueMs', header: 'Last value', sortFn: 'basic' },
];

/** On narrow screens `wide` columns go first, then `middle` ones. */
const WIDTH_CLASS: Readonly<Record<string, string>> = {
  type: 'wide',
  site: 'wide',
  driver: 'middle',
  gatewayName: 'middle',
};

/** Every device of the region: sorted, searched, drawn only where it is seen. */
export function DevicesScreen() {
  const devices = useQuery(devicesQuery);
  const gateways = useQuery(gatewaysQuery);
  const rows = useMemo<Row[]>(() => {
    const names = new Map((gateways.data ?? []).map((gateway) => [gateway.id as string, gateway.name]));
    return (devices.data ?? []).map((device) => ({
      ...device,
      gatewayName: names.get(device.gateway) ?? device.gateway,
      state: device.online ? 'online' : 'offline',
    }));
  }, [devices.data, gateways.data]);

  if (devices.data === undefined) {
    return (
      <>
        <h1 className="page-head">Devices</h1>
        {devices.error === null ? (
          <Loading label="Loading devices" lines={10} />
        ) : (
          <Failed error={devices.error} retry={() => void devices.refetch()} />
        )}
      </>
    );
  }
  return <DeviceGrid rows={rows} />;
}

function DeviceGrid({ rows }: { readonly rows: Row[] }) {
  const [search, setSearch] = useState('');
  const table = useTable({
    features,
    data: rows,
    columns,
    getRowId: (row: Row) => row.id,
    globalFilterFn: 'includesString',
    state: { globalFilter: search },
    onGlobalFilterChange: setSearch,
    initialState: { sorting: [{ id: 'name', desc: false }] },
  });
  const shown = table.getRowModel().rows;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });

  return (
    <>
      <div className="page-head">
        <div>
          <h1>Devices</h1>
          <p className="under" role="status">
            {search === ''
              ? `${rows.length.toLocaleString()} devices`
              : `${shown.length.toLocaleString()} of ${rows.length.toLocaleString()} devices`}
          </p>
        </div>
        <SearchField className="search" aria-label="Search devices" value={search} onChange={setSearch}>
          <Search size={15} aria-hidden />
          <Input placeholder="Name, type, gateway, site, state" />
        </SearchField>
      </div>
      {rows.length === 0 ? (
        <Empty>No device yet. A gateway tells the devices of its site file as soon as it is connected.</Empty>
      ) : (
        <div className="grid" role="table" aria-label="Devices" aria-rowcount={shown.length + 1}>
          <div role="rowgroup">
            <div className="grid-head" role="row" aria-rowindex={1}>
              {table.getFlatHeaders().map((header) => {
                const sorted = header.column.getIsSorted();
                return (
                  <span
                    key={header.id}
                    role="columnheader"
                    className={WIDTH_CLASS[header.id]}
                    aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : 'none'}
                  >
                    <button type="button" onClick={header.column.getToggleSortingHandler()}>
                      {String(header.column.columnDef.header)}
                      {sorted === 'asc' && <ArrowUp size={13} aria-hidden />}
                      {sorted === 'desc' && <ArrowDown size={13} aria-hidden />}
                    </button>
                  </span>
                );
              })}
            </div>
          </div>
          <div className="grid-scroll" role="rowgroup" ref={scroller} tabIndex={0}>
            <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
              {virtual.getVirtualItems().map((item) => {
                const row = shown[item.index];
                return row === undefined ? null : (
                  <DeviceRow key={row.id} device={row.original} index={item.index} topPx={item.start} />
                );
              })}
            </div>
          </div>
        </div>
      )}
      {rows.length > 0 && shown.length === 0 && <p className="empty">No device matches “{search}”.</p>}
    </>
  );
}

function DeviceRow({
  device,
  index,
  topPx,
}: {
  readonly device: Row;
  readonly index: number;
  readonly topPx: number;
}) {
  return (
    <div
      className="grid-row"
      role="row"
      aria-rowindex={index + 2}
      style={{ transform: `translateY(${topPx}px)` }}
    >
      <span role="cell">
        <Link to="/devices/$id" params={{ id: device.id }}>
          {device.name}
        </Link>
      </span>
      <span role="cell" className="wide quiet">
        {device.type ?? '–'}
      </span>
      <span role="cell" className="middle">
        {device.driver}
      </span>
      <span role="cell" className="middle">
        {device.gatewayName}
      </span>
      <span role="cell" className="wide">
        {device.site}
      </span>
      <span role="cell">
        <OnlineTag online={device.online} why={device.why} />
      </span>
      <span role="cell">
        <Age atMs={device.lastValueMs} />
      </span>
    </div>
  );
}
