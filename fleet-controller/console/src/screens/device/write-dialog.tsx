import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Pencil } from 'lucide-react';
import { useState } from 'react';
import {
  Button,
  Dialog,
  DialogTrigger,
  FieldError,
  Form,
  Heading,
  Input,
  Label,
  Modal,
  ModalOverlay,
  TextField,
} from 'react-aria-components';
import { post } from '../../api/client.ts';
import { eventsQuery } from '../../api/queries.ts';
import type { DeviceDetail, JsonValue, PointView, ReceiptView } from '../../api/types.ts';
import { formatValue } from '../../format/value.ts';
import { Failed } from '../../shell/states.tsx';

interface WriteProps {
  readonly device: DeviceDetail;
  readonly point: PointView;
  readonly current: JsonValue;
}

/** Asks for a new value, shows what would change, and shows the gateway's receipt. */
export function WriteButton({ device, point, current }: WriteProps) {
  return (
    <DialogTrigger>
      <Button className="button small" aria-label={`Write ${point.label ?? point.id}`}>
        <Pencil size={13} aria-hidden /> <span className="roomy">Write</span>
      </Button>
      <ModalOverlay className="veil" isDismissable>
        <Modal className="dialog">
          <Dialog>
            {({ close }) => <WriteForm device={device} point={point} current={current} close={close} />}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

/** What a typed text means for the point; a string says why it means nothing. */
function parseInput(
  point: PointView,
  text: string,
): { readonly value: JsonValue } | { readonly problem: string } {
  if (point.kind === 'bool') return { value: text === 'on' };
  if (point.kind === 'text') return { value: text };
  const value = Number(text.replace(',', '.'));
  if (text.trim() === '' || !Number.isFinite(value)) return { problem: 'Type a number.' };
  if (point.kind !== 'float64' && !Number.isInteger(value))
    return { problem: 'This point takes whole numbers.' };
  const range = point.writable?.range;
  if (range !== undefined && (value < range[0] || value > range[1]))
    return { problem: `Must be ${range[0]} to ${range[1]}.` };
  return { value };
}

function WriteForm({ device, point, current, close }: WriteProps & { readonly close: () => void }) {
  const client = useQueryClient();
  const [text, setText] = useState(point.kind === 'bool' ? (current === true ? 'off' : 'on') : '');
  const [before] = useState(current);
  const write = useMutation({
    mutationFn: (value: JsonValue) =>
      post<ReceiptView>(
        `/api/v1/devices/${encodeURIComponent(device.id)}/points/${encodeURIComponent(point.id)}/write`,
        { value },
      ),
    onSettled: () => client.invalidateQueries({ queryKey: eventsQuery(device.id).queryKey }),
  });
  const parsed = parseInput(point, text);
  const from = formatValue(before, point.unit);
  const to = 'value' in parsed ? formatValue(parsed.value, point.unit) : undefined;
  const range = point.writable?.range;

  if (write.data !== undefined) return <Receipt receipt={write.data} point={point} close={close} />;
  return (
    <>
      <Heading slot="title">
        Write {point.label ?? point.id} of {device.name}
      </Heading>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          if ('value' in parsed) write.mutate(parsed.value);
        }}
      >
        <TextField
          className="field"
          autoFocus
          value={text}
          onChange={setText}
          isInvalid={text !== '' && 'problem' in parsed}
        >
          <Label>
            New value{to === undefined || to.unit === '' ? '' : ` in ${to.unit}`}
            {range !== undefined && (
              <span className="quiet">
                {' '}
                ({range[0]} to {range[1]})
              </span>
            )}
            {point.kind === 'bool' && <span className="quiet"> (on or off)</span>}
          </Label>
          <Input inputMode={point.kind === 'text' || point.kind === 'bool' ? 'text' : 'decimal'} />
          <FieldError>{'problem' in parsed ? parsed.problem : ''}</FieldError>
        </TextField>
        <dl className="change">
          <dt>Now</dt>
          <dd>
            {from.text} {from.unit}
          </dd>
          <dt>Then</dt>
          <dd>{to === undefined ? '–' : `${to.text} ${to.unit}`}</dd>
        </dl>
        {write.error !== null && <Failed error={write.error} />}
        <div className="actions">
          <Button className="button" onPress={close}>
            Cancel
          </Button>
          <Button
            className="button primary"
            type="submit"
            isDisabled={'problem' in parsed}
            isPending={write.isPending}
          >
            {write.isPending ? 'Writing …' : 'Write to the device'}
          </Button>
        </div>
      </Form>
    </>
  );
}

const RESULT_TITLES = { done: 'Done', refused: 'Refused', unknown: 'Outcome unknown' } as const;

function Receipt({
  receipt,
  point,
  close,
}: {
  readonly receipt: ReceiptView;
  readonly point: PointView;
  readonly close: () => void;
}) {
  const readBack = receipt.readBack === undefined ? undefined : formatValue(receipt.readBack, point.unit);
  return (
    <>
      <Heading slot="title">{RESULT_TITLES[receipt.result]}</Heading>
      <div className={`receipt ${receipt.result}`} role="status">
        <p>{receipt.message}</p>
        {readBack !== undefined && (
          <p className="quiet">
            Read back: {readBack.text} {readBack.unit}
          </p>
        )}
        {receipt.result === 'unknown' && (
          <p className="quiet">It may have been carried out. It is not repeated by itself.</p>
        )}
        <p className="quiet">Receipt {receipt.id}</p>
      </div>
      <div className="actions">
        <Button className="button primary" onPress={close} autoFocus>
          Close
        </Button>
      </div>
    </>
  );
}
