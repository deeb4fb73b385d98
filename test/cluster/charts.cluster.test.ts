import { after, before, describe } from 'node:test';
import { callers } from './callers.ts';
import { changes } from './changes.ts';
import { disturbances } from './disturbances.ts';
import { edges } from './edges.ts';
import { journey } from './journey.ts';
import { SteadyLoad } from './kit/load.ts';
import { ClusterSystem } from './kit/system.ts';
import { uninstall } from './uninstall.ts';
import { validation } from './validation.ts';

/** One cluster, one release, in this order: each part stands on those before it. */
describe('in a cluster', () => {
  let system: ClusterSystem;
  let load: SteadyLoad;
  before(async () => {
    system = await ClusterSystem.open();
  });
  after(() => system?.[Symbol.asyncDispose]());
  const theSystem = () => system;

  validation(theSystem);
  journey(theSystem);
  callers(theSystem);
  edges(theSystem);

  describe('with people at work:', () => {
    before(async () => {
      load = await SteadyLoad.start(system);
    });
    changes(theSystem, () => load);
    disturbances(theSystem, () => load);
    after(() => system.closeDoors());
  });
  uninstall(theSystem);
});
