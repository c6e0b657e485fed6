// A guest that uses all of the crate retort; sdk_test.go knows what it must answer.

#![no_std]
#![deny(warnings)]

use core::fmt::Write;
use retort::{log, Classify, Configure, Datagram, Handler, Idle, Level, NoReply, Outcome, Reply};

struct Probe {
    idles: u64,
}

impl Configure for Probe {
    fn configure(&mut self, config: &[u8]) -> Result<(), i32> {
        if config == b"good" {
            Ok(())
        } else {
            Err(7)
        }
    }
}

impl Idle for Probe {
    fn idle(&mut self) {
        self.idles += 1;
    }
}

impl Classify for Probe {
    fn is_response(&mut self, datagram: &Datagram) -> bool {
        datagram.data().first() == Some(&b'R') && datagram.meta().size == 64
    }
}

impl Handler for Probe {
    fn reply(&mut self, datagram: &Datagram, reply: &mut Reply) -> Outcome {
        let meta = datagram.meta();
        match datagram.data().first() {
            None => return Err(NoReply::Silence),
            Some(b'b') => reply.put(b"a\0b")?,
            Some(b'd') => {
                reply.decimal(0)?;
                reply.put(b" ")?;
                reply.decimal(u64::MAX)?;
            }
            Some(b'h') => {
                if reply.room() < 2 {
                    return Err(NoReply::Code(-150));
                }
                reply.put(b"hi")?;
            }
            Some(b'i') => write!(reply, "{}", self.idles)?,
            Some(b'l') => log(Level::Warn, "a warning from the guest"),
            Some(b'm') => return Err(NoReply::Malformed),
            Some(b'p') => {
                reply.put(b"too long for 12")?;
                reply.put(b"ok")?;
            }
            Some(b't') => {
                write!(reply, "{} {} {} ", meta.time_ns, meta.local_port, meta.peer_port)?;
                reply.put(&meta.local_addr[12..])?;
                reply.put(&meta.peer_addr[12..])?;
                write!(reply, " {} {}", meta.family, meta.zone)?;
            }
            Some(b'u') => reply.write_str("Grüße 😀")?,
            Some(b'!') => panic!("the guest was told to"),
            Some(_) => reply.put(datagram.data())?,
        }
        Ok(())
    }
}

retort::serve!(Probe = Probe { idles: 0 }, Configure, Idle, Classify);
