/** Applies the events of a plan to a site. */
import type { Happening } from './plan.ts';
import type { Site } from './site.ts';

/** Maximum lost hosts: another one must release their addresses. */
const minHosts = 2;

/** Applies an event. */
export function happen(site: Site, happening: Happening): void {
  const { time, members, ledger } = site;
  switch (happening.kind) {
    case 'start': {
      const { host, slot, again, way, part } = happening;
      if (!site.knowsView(site.host(host))) return;
      const requested = part === undefined ? undefined : site.addressOf(part);
      site.runtime(host).start(slot, { again, way, requested });
      break;
    }
    case 'all start':
      for (const [index, host] of site.hosts.entries()) {
        if (site.knowsView(host)) site.runtime(index).start(happening.slot);
      }
      break;
    case 'add again':
      if (site.knowsView(site.host(happening.host))) site.runtime(happening.host).addAgain(happening.slot);
      break;
    case 'check':
      site.runtime(happening.host).check(happening.slot);
      break;
    case 'stop':
      site.runtime(happening.host).stop(happening.slot);
      break;
    case 'die':
      site.runtime(happening.host).die(happening.slot);
      break;
    case 'collect':
      site.runtime(happening.host).collect();
      break;
    case 'release':
      site.runtime(happening.host).release(happening.slot, happening);
      break;
    case 'gc by hand':
      site.runtime(happening.host).gcByHand();
      break;
    case 'gc of host': {
      const gone = site.hosts.find(({ isGone }) => isGone);
      if (gone !== undefined) site.runtime(happening.host).gcOfHost(gone.name);
      break;
    }
    case 'kill': {
      const host = site.host(happening.host);
      host.kill();
      time.after(happening.downMs, () => host.start());
      break;
    }
    case 'restart':
      site.host(happening.host).restart();
      break;
    case 'reboot': {
      const host = site.host(happening.host);
      host.reboot();
      site.runtime(happening.host).lostAll();
      time.after(15_000, () => host.start());
      break;
    }
    case 'host gone':
      if (site.hosts.filter(({ isGone }) => !isGone).length < minHosts) return;
      site.host(happening.host).leave();
      site.runtime(happening.host).lostAll();
      break;
    case 'rename host': {
      const host = site.host(happening.host);
      // Reservations under an earlier name are not imported.
      if (!host.disk.facts.has('imported')) return;
      host.rename(`${host.names[0]}-${host.names.length}`);
      host.restart();
      break;
    }
    case 'clone': {
      const clone = site.addHost();
      clone.disk.become(site.host(happening.host).disk);
      clone.start();
      break;
    }
    case 'state lost': {
      const host = site.host(happening.host);
      // The host that accepts writes is forgotten, too, so the first of --grid-host counts. Reservations under an earlier name of this
      // host have no owner then (docs/reliability.md).
      if (!members.isFirstMaster || host.names.length > 1 || host.isGone) return;
      // Owed creates are lost with the state (docs/reliability.md).
      for (const place of site.runtime(happening.host).places) ledger.namedLost(place);
      host.loseState();
      // Resting leases are imported as leases in use, and a GC releases them.
      ledger.endsRest();
      host.start();
      break;
    }
    case 'configure':
      site.configure(happening);
      break;
    case 'back up':
      site.host(happening.host).backUp();
      break;
    case 'restore': {
      const host = site.host(happening.host);
      // As for a lost state.
      if (!members.isFirstMaster || host.names.length > 1 || host.isGone || !host.restoreBackup()) return;
      site.runtime(happening.host).lostAll();
      ledger.endsRest();
      time.after(15_000, () => host.start());
      break;
    }
    case 'disk full': {
      const { disk } = site.host(happening.host);
      disk.isFull = true;
      time.after(happening.forMs, () => {
        disk.isFull = false;
      });
      break;
    }
    case 'set clock':
      site.host(happening.host).setClock(happening.byMs);
      break;
    case 'grid away':
      members.setUp(false);
      time.after(happening.forMs, () => members.setUp(true));
      break;
    case 'read-only':
      members.setReadOnly(true);
      time.after(happening.forMs, () => members.setReadOnly(false));
      break;
    case 'fail over':
      for (const comment of members.failOver()) ledger.excuse(ledger.containerOf(comment));
      ledger.forgetAbsent();
      time.after(happening.backMs, () => members.rejoin());
      break;
    case 'view renamed':
      if (!site.renameView(happening.to)) return;
      time.after(happening.forMs, () => site.endRename(happening.end));
      break;
    case 'removed by hand':
      site.removeByHand(site.runtime(happening.host).placeIn(happening.slot));
      break;
    case 'altered by hand':
      site.alterByHand(site.runtime(happening.host).placeIn(happening.slot));
      time.after(30_000, () => site.restoreAltered());
      break;
    case 'network removed':
      site.removeNetwork(happening.forMs);
      break;
    case 'gateway removed':
      site.removeGateway();
      break;
    case 'stranger takes':
      site.strangerTakes();
      break;
    case 'stranger replaces':
      site.strangerReplaces(happening.index);
      break;
    case 'stranger leaves':
      site.strangerLeaves();
      break;
    case 'taken in a block': {
      const block = site.blockAt(happening.index);
      if (block !== undefined) site.strangerTakesIn(block, happening.part);
      break;
    }
    case 'block removed by hand': {
      const block = site.blockAt(happening.index);
      if (block !== undefined) members.removeBlockByHand(block);
      break;
    }
    case 'original stops':
      site.stopOriginal(happening.host);
      break;
  }
}
