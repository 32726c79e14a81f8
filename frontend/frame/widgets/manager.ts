/**
 * The widget manager of one frame. State is the server's: models come when a view names them, with all that they name,
 * and from then on as updates. What a view changes goes out under a msg_id that comes back with its echo.
 */
import type { ICallbacks, IClassicComm, WidgetModel, WidgetView } from "@jupyter-widgets/base";
import { ManagerBase } from "@jupyter-widgets/base-manager";
import type { DrawContext } from "../draw";
import { putBuffers } from "./buffers";
import type { Channel } from "./channel";
import { addComm } from "./comms";
import { showHand } from "./hand";
import { type ClassSource, classSources } from "./modules";
import type { CommToFrame, Fields, FrameModel } from "./protocol";

const NO_MODEL = "This widget is gone with its runtime, and its state was not saved: run the cell again.";

type Handler = (message: unknown) => void;

/** What a model needs of a comm, and how this frame gives it messages. */
interface ModelComm extends IClassicComm {
  deliver(message: object): void;
}

export class Manager extends ManagerBase {
  readonly #sources: ClassSource;
  readonly #comms = new Map<string, ModelComm>();
  readonly #live = new Map<string, boolean>();
  readonly #fetching = new Map<string, Promise<void>>();
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly channel: Channel,
    readonly drawing: DrawContext,
  ) {
    super();
    this.#sources = classSources(this);
    channel.listen((message) => this.#receive(message));
  }

  isConnected(model: string): boolean {
    return this.channel.isLive && this.#live.get(model) === true;
  }

  /** Calls back when models were connected or lost. */
  onState(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  override async get_model(id: string): Promise<WidgetModel> {
    if (!this.has_model(id)) await this.#fetch(id);
    if (!this.has_model(id)) throw new Error(NO_MODEL);
    return super.get_model(id);
  }

  protected override loadClass(
    name: string,
    module: string,
    version: string,
  ): Promise<typeof WidgetModel | typeof WidgetView> {
    return this.#sources(name, module, version);
  }

  protected override async _create_comm(
    target: string,
    id: string = crypto.randomUUID(),
    data?: object,
    _metadata?: object,
    buffers?: ArrayBuffer[] | ArrayBufferView[],
  ): Promise<IClassicComm> {
    const comm = this.#comm(id, target);
    if (data !== undefined) comm.open(JSON.parse(JSON.stringify(data)), undefined, undefined, buffers);
    return comm;
  }

  protected override async _get_comm_info(): Promise<object> {
    return {};
  }

  async #fetch(id: string): Promise<void> {
    let fetching = this.#fetching.get(id);
    if (fetching === undefined) {
      fetching = this.channel.models([id]).then(({ models }) => this.#take(models));
      this.#fetching.set(id, fetching);
      void fetching.finally(() => this.#fetching.delete(id));
    }
    await fetching;
  }

  /** All are registered before any of them is made: they name each other. */
  #take(models: readonly FrameModel[]): void {
    for (const { id, isLive } of models) this.#live.set(id, isLive && this.channel.isLive);
    for (const model of models) {
      const state = stateOf(model);
      if (this.has_model(model.id)) void this.#refresh(model.id, state);
      else void this.#make(model, state);
    }
    for (const listener of [...this.#listeners]) listener();
  }

  async #make({ id, name, module, version }: FrameModel, state: Fields): Promise<void> {
    const comm = this.#comm(id, this.comm_target_name);
    const options = { model_id: id, model_name: name, model_module: module, model_module_version: version, comm };
    const model = await this.new_model(options, state);
    model.comm_live = this.isConnected(id);
  }

  async #refresh(id: string, state: Fields): Promise<void> {
    const model = await super.get_model(id);
    this.#comms.get(id)?.deliver(updateMessage(id, "", false, state, []));
    model.comm_live = this.isConnected(id);
  }

  #comm(id: string, target: string): ModelComm {
    const line = addComm(id, target);
    const handlers: { message: Handler | null; close: Handler | null } = { message: null, close: null };
    const send = (data: unknown, callbacks?: ICallbacks, buffers?: ArrayBuffer[] | ArrayBufferView[]): string => {
      const { id: message, taken } = line.send(fieldsOf(data), bytesOf(buffers));
      const idle = (): void => sayIdle(callbacks, message);
      taken.then(idle, () => {
        idle();
        void this.channel.models([id]).then(({ models }) => this.#take(models)); // as it is for everybody
      });
      return message;
    };
    line.onMessage(({ data, buffers }) => {
      handlers.message?.({
        ...messageOf("comm_msg", id, ""),
        content: { comm_id: id, data },
        buffers: buffers.map(view),
      });
    });
    line.onClose(({ data }) => {
      this.#forget(id);
      handlers.close?.({ ...messageOf("comm_close", id, ""), content: { comm_id: id, data } });
    });
    const comm: ModelComm = {
      comm_id: id,
      target_name: target,
      open: (data, callbacks, _metadata, buffers) => send(data, callbacks, buffers),
      send: (data, callbacks, _metadata, buffers) => send(data, callbacks, buffers),
      close: () => {
        this.#forget(id);
        line.close();
        return "";
      },
      on_msg: (callback) => {
        handlers.message = callback;
      },
      on_close: (callback) => {
        handlers.close = callback;
      },
      deliver: (message) => handlers.message?.(message),
    };
    this.#comms.set(id, comm);
    return comm;
  }

  #forget(id: string): void {
    this.#comms.delete(id);
    this.#live.delete(id);
    for (const listener of [...this.#listeners]) listener();
  }

  #receive(message: CommToFrame): void {
    switch (message.t) {
      case "modelUpdate": {
        const { comm, parent, isEcho, state, paths, buffers } = message;
        putBuffers(state, paths, buffers);
        this.#comms.get(comm)?.deliver(updateMessage(comm, parent, isEcho, state, []));
        return;
      }
      case "models":
        this.#take(message.models);
        for (const id of message.missing) this.#live.set(id, false);
        for (const listener of [...this.#listeners]) listener();
        return;
      case "hand":
        if (this.has_model(message.comm)) {
          void super.get_model(message.comm).then((model) => showHand(model, message.name, message.color));
        }
        return;
    }
  }
}

function stateOf({ state, paths, buffers }: FrameModel): Fields {
  putBuffers(state, paths, buffers);
  return state;
}

function updateMessage(comm: string, parent: string, isEcho: boolean, state: Fields, buffers: DataView[]): object {
  const data = { method: isEcho ? "echo_update" : "update", state, buffer_paths: [] };
  return { ...messageOf("comm_msg", comm, parent), content: { comm_id: comm, data }, buffers };
}

function messageOf(type: string, comm: string, parent: string): object {
  return {
    header: { msg_type: type, msg_id: "" },
    parent_header: { msg_id: parent },
    metadata: {},
    channel: "iopub",
    comm,
  };
}

function sayIdle(callbacks: ICallbacks | undefined, parent: string): void {
  const status: unknown = callbacks?.iopub?.status;
  const message = { ...messageOf("status", "", parent), content: { execution_state: "idle" } };
  if (typeof status === "function") status(message);
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function view(buffer: ArrayBuffer): DataView {
  return new DataView(buffer);
}

function bytesOf(buffers: ArrayBuffer[] | ArrayBufferView[] | undefined): ArrayBuffer[] {
  return [...(buffers ?? [])].map((item) => {
    if (item instanceof ArrayBuffer) return item;
    return new Uint8Array(item.buffer, item.byteOffset, item.byteLength).slice().buffer;
  });
}
