// Answers how many datagrams it has seen, this one included. To build it in this folder:
// cargo rustc --release --target wasm32-unknown-unknown -- -C link-arg=-zstack-size=65536

#![no_std]

use retort::{Datagram, Handler, Outcome, Reply};

// Each worker of a server has an instance of its own, and so a count of its own.
struct Counter {
    seen: u64,
}

impl Handler for Counter {
    fn reply(&mut self, _: &Datagram, reply: &mut Reply) -> Outcome {
        self.seen += 1;
        reply.decimal(self.seen)
    }
}

retort::serve!(Counter = Counter { seen: 0 });
