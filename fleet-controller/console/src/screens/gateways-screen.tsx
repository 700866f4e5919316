import { useQuery } from '@tanstack/react-query';
import { gatewaysQuery } from '../api/queries.ts';
import { Age } from '../shell/age.tsx';
import { Empty, Failed, Loading, OnlineTag } from '../shell/states.tsx';

/** Every gateway of the region. */
export function GatewaysScreen() {
  const gateways = useQuery(gatewaysQuery);
  return (
    <>
      <div className="page-head">
        <h1>Gateways</h1>
      </div>
      {gateways.data === undefined ? (
        gateways.error === null ? (
          <Loading label="Loading gateways" />
        ) : (
          <Failed error={gateways.error} retry={() => void gateways.refetch()} />
        )
      ) : gateways.data.length === 0 ? (
        <Empty>
          No gateway yet. Make a token with <code>millwright region token create</code> and start a gateway
          with it.
        </Empty>
      ) : (
        <table className="table">
          <caption className="visually-hidden">Gateways of this region</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col" className="roomy">
                Site
              </th>
              <th scope="col">Devices</th>
              <th scope="col" className="roomy">
                Frames kept
              </th>
              <th scope="col" className="roomy">
                Gaps
              </th>
              <th scope="col" className="roomy">
                Version
              </th>
              <th scope="col">Last heard</th>
            </tr>
          </thead>
          <tbody>
            {gateways.data.map((gateway) => (
              <tr key={gateway.id}>
                <th scope="row">
                  <span title={gateway.id}>{gateway.name}</span>
                </th>
                <td>
                  <OnlineTag online={gateway.online} />
                </td>
                <td className="roomy">{gateway.site}</td>
                <td>
                  {gateway.devicesOnline} <span className="quiet">/ {gateway.devices}</span>
                </td>
                <td className="roomy">{gateway.frames.toLocaleString()}</td>
                <td className="roomy">{gateway.gaps.toLocaleString()}</td>
                <td className="roomy">{gateway.version}</td>
                <td>
                  <Age atMs={gateway.lastSeenMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
