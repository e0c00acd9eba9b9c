//! What happens to the network, on turmoil's links and on the cables.

use turmoil::Sim;

use crate::network::Network;
use crate::plan::{Fault, FaultKind};

/// Brings the faults about, each in its time.
pub struct Weather<'p> {
    faults: &'p [Fault],
    under_way: bool,
}

impl<'p> Weather<'p> {
    pub fn new(faults: &'p [Fault]) -> Self {
        Self {
            faults,
            under_way: false,
        }
    }

    pub fn change(&mut self, sim: &Sim<'_>, network: &Network) {
        let Some((fault, later)) = self.faults.split_first() else {
            return;
        };
        if !self.under_way && fault.begin <= sim.elapsed() {
            self.under_way = true;
            network.begins(fault);
            let client = &*format!("client-{}", fault.client);
            for host in fault.ways.iter().map(|way| way.host()) {
                match fault.kind {
                    FaultKind::Hold | FaultKind::Sleep => sim.hold(host, client),
                    FaultKind::Partition => sim.partition(host, client),
                    FaultKind::Deaf => sim.partition_oneway(client, host),
                    FaultKind::Mute => sim.partition_oneway(host, client),
                    FaultKind::Refuse | FaultKind::Roam | FaultKind::Hole => {}
                }
            }
        }
        if self.under_way && fault.end <= sim.elapsed() {
            self.under_way = false;
            self.faults = later;
            network.ends(fault);
            let client = &*format!("client-{}", fault.client);
            for host in fault.ways.iter().map(|way| way.host()) {
                match fault.kind {
                    FaultKind::Hold | FaultKind::Sleep => sim.release(host, client),
                    FaultKind::Partition => sim.repair(host, client),
                    FaultKind::Deaf => sim.repair_oneway(client, host),
                    FaultKind::Mute => sim.repair_oneway(host, client),
                    FaultKind::Refuse | FaultKind::Roam | FaultKind::Hole => {}
                }
            }
        }
    }
}
