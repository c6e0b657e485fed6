// Answers each datagram with how long it was. To build it in this folder:
// cargo rustc --release --target wasm32-unknown-unknown -- -C link-arg=-zstack-size=65536

#![no_std]

use retort::{Datagram, Handler, Outcome, Reply};

struct Length;

impl Handler for Length {
    fn reply(&mut self, datagram: &Datagram, reply: &mut Reply) -> Outcome {
        reply.put(b"Your data was ")?;
        reply.decimal(datagram.data().len() as u64)?;
        reply.put(b" bytes long")
    }
}

retort::serve!(Length = Length);
