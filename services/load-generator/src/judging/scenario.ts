import type { BrokerSeries, Check, LoadEvent, ScenarioRun, Second } from '../results/result.ts';
import type { KindInput, PlanInput, Seen } from '../sending/plan.ts';
import type { Stage, StageOptions } from '../target/stage.ts';

export type Load = { ratePerSecond: number; users: number; durationSeconds: number; brokers: number };

/** What a run needs before it can be judged. */
export type Observed = {
  load: Load;
  /** By name, and all together. */
  kinds: Record<string, Seen>;
  all: Seen;
  seconds: Second[];
  brokers: BrokerSeries[];
  totals: ScenarioRun['totals'];
  events: LoadEvent[];
};

/** The run's clock, for what happens during it. */
export type Clock = {
  /** Waits until so many seconds after the first request was due. */
  at(seconds: number): Promise<void>;
  /** Seconds since then. */
  now(): number;
  /** Puts a mark, or a band from there to now, on the time axis. */
  mark(kind: LoadEvent['kind'], label: string, fromSeconds?: number): void;
};

/** One run, once its stage is set and its people are signed in. */
export type Act = {
  kinds: KindInput[];
  targets?: string[];
  schedule?: Partial<PlanInput['schedule']>;
  places?: PlanInput['places'];
  connections?: number;
  /** When the first request is due, epoch milliseconds, where that matters. */
  startAtMs?: number;
  /** The least number of calls to Entra that what is due in that second needs. */
  minimumCalls(second: number): number;
  /** Where every token of this run comes from, if it is one place. */
  level?: ScenarioRun['levels'][number]['level'];
  sloMs?: number;
  /** It goes beyond what the brokers can: that requests queue at the end says nothing against the generator. */
  saturates?: boolean;
  /** What happens meanwhile: cuts, restarts. */
  during?(clock: Clock): Promise<void>;
  checks(observed: Observed): Check[] | Promise<Check[]>;
};

export type Variant = {
  /** What differs from the scenario's other runs; empty if nothing. */
  name: string;
  stage?: Pick<StageOptions, 'env' | 'relayed' | 'front' | 'mcp'>;
  /** Where its load is not the scenario's. */
  load?: Partial<Load>;
  prepare(stage: Stage, load: Load): Promise<Act>;
};

export type Scenario = {
  name: string;
  /** One line of help. */
  brief: string;
  /** As `load-testing.md` has it. */
  load: Load;
  /** What fewer than eight cores can offer, where that is less. */
  smaller?: Partial<Load>;
  /** For `--quick`. */
  quick: Partial<Load>;
  /** Its variants share a stage. */
  oneStage?: boolean;
  /** How it loads a broker that runs already: whether people have tokens before it begins; or what is no broker of ours. */
  remote?: { warm: boolean; sloMs: number; foreign?: boolean };
  /** Left out unless it is named. */
  onlyByName?: boolean;
  /** Not part of `--quick` unless it is named. */
  notQuick?: boolean;
  variants(load: Load): Variant[];
};
