//! A datagram handler in Rust, as a WebAssembly module of Retort's handler ABI, version 1.
//!
//! A guest is a `cdylib` that implements [`Handler`] and gives it to [`serve!`]:
//!
//! ```ignore
//! #![no_std]
//!
//! use core::fmt::Write;
//! use retort::{Datagram, Handler, Outcome, Reply};
//!
//! struct Length;
//!
//! impl Handler for Length {
//!     fn reply(&mut self, datagram: &Datagram, reply: &mut Reply) -> Outcome {
//!         write!(reply, "Your data was {} bytes long", datagram.data().len())?;
//!         Ok(())
//!     }
//! }
//!
//! retort::serve!(Length = Length);
//! ```
//!
//! It is built by
//!
//! ```text
//! cargo build --release --target wasm32-unknown-unknown
//! ```
//!
//! Nothing here allocates, and nothing needs the standard library. What a handler keeps in its own fields is there
//! at the next datagram. A panic is a trap: it costs the datagram, and the host puts the instance back to what it
//! was at first.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

use core::fmt;

/// What a guest answers with.
pub trait Handler {
    /// Answers a datagram: what was written to `reply` is sent (nothing written is an empty datagram), unless it
    /// returns a [`NoReply`].
    fn reply(&mut self, datagram: &Datagram, reply: &mut Reply) -> Outcome;
}

/// A handler that takes the operator's configuration; name it in [`serve!`].
pub trait Configure {
    /// Takes the configuration, before the first datagram, or refuses it with a code of the handler's, which is
    /// not 0.
    fn configure(&mut self, config: &[u8]) -> Result<(), i32>;
}

/// A handler that can tell an answer from a question, and stays silent to all that is not of its protocol; name it
/// in [`serve!`].
pub trait Classify {
    /// Whether the datagram is an answer. Hosts do not answer answers: that is how two servers keep each other
    /// busy for ever.
    fn is_response(&mut self, datagram: &Datagram) -> bool;
}

/// A handler that has something to do when there is no rush; name it in [`serve!`].
pub trait Idle {
    /// Is called between datagrams now and then.
    fn idle(&mut self);
}

/// What [`Handler::reply`] returns.
pub type Outcome = Result<(), NoReply>;

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// Send nothing.
    Silence,
    /// The request is not of the protocol: send nothing, and count it apart.
    Malformed,
    /// A handler's own code, -100 or below, which hosts count one by one.
    Code(i32),
}

impl NoReply {
    /// The reply is longer than its room. Writing to a [`Reply`] that has no more room is this error.
    pub const OVERSIZE: NoReply = NoReply::Code(-102);
}

impl From<fmt::Error> for NoReply {
    fn from(_: fmt::Error) -> NoReply {
        NoReply::OVERSIZE
    }
}

/// One datagram. It is borrowed for the time of one call, for the next one will lie where it is.
pub struct Datagram<'a> {
    data: &'a [u8],
    meta: &'a Meta,
}

impl<'a> Datagram<'a> {
    /// The payload: at most 65,527 bytes.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// What else there is to know of it.
    pub fn meta(&self) -> &'a Meta {
        self.meta
    }
}

/// What there is to know of a datagram beside its payload. The host writes it; later versions only append.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Of this block, in bytes: at least 64.
    pub size: u16,
    /// 4 or 6.
    pub family: u8,
    /// Reserved, 0.
    pub flags: u8,
    /// The peer's port.
    pub peer_port: u16,
    /// The port that was asked.
    pub local_port: u16,
    /// Arrival, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// The peer's address; IPv4 as IPv4-mapped IPv6, so that its own bytes are the last 4.
    pub peer_addr: [u8; 16],
    /// The address that was asked, in the same form.
    pub local_addr: [u8; 16],
    /// The IPv6 scope id of the peer, 0 if there is none.
    pub zone: u32,
    reserved: [u8; 12],
}

const _: () = assert!(core::mem::size_of::<Meta>() == 64 && core::mem::align_of::<Meta>() == 8);

/// Where the reply goes. It takes bytes by its methods and text by `write!`; what does not fit is an error, which
/// `?` hands on, and nothing of it is written.
pub struct Reply<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl<'a> Reply<'a> {
    /// How many more bytes fit.
    pub fn room(&self) -> usize {
        self.room.len() - self.len
    }

    /// Appends bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Outcome {
        let free = &mut self.room[self.len..];
        if bytes.len() > free.len() {
            return Err(NoReply::OVERSIZE);
        }
        free[..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    /// Appends a number in decimal: what `write!(reply, "{}", number)` does, in less time and code.
    pub fn decimal(&mut self, mut number: u64) -> Outcome {
        let mut digits = [0; 20]; // of 2^64 - 1
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.put(&digits[at..]);
            }
        }
    }
}

impl fmt::Write for Reply<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// How much a log line matters.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks for a mistake.
    Debug = -4,
    /// What happens as it should.
    Info = 0,
    /// What an operator may have to look at.
    Warn = 4,
    /// What an operator has to look at.
    Error = 8,
}

/// Writes one line to the host's log, which cuts it at 1 KiB and drops lines that come too fast.
pub fn log(level: Level, text: &str) {
    #[cfg(target_arch = "wasm32")]
    {
        #[link(wasm_import_module = "retort_v1")]
        extern "C" {
            #[link_name = "log"]
            fn host_log(level: i32, text: *const u8, len: usize);
        }
        // Safety: the host reads the text and no more.
        unsafe { host_log(level as i32, text.as_ptr(), text.len()) }
    }
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (level, text); // there is no host
}

/// Makes a handler what the module answers with: its type, and the value that it begins as, which is a constant.
/// Behind them come the other traits that it implements, of [`Configure`], [`Classify`] and [`Idle`]: hosts go
/// by what a module exports. Use it once.
///
/// ```ignore
/// retort::serve!(Counter = Counter { seen: 0 });
/// retort::serve!(Zone = Zone::EMPTY, Configure, Classify);
/// ```
#[macro_export]
macro_rules! serve {
    ($type:ty = $first:expr $(, $extra:ident)* $(,)?) => {
        /// What the host calls. It calls one function at a time.
        mod retort_exports {
            #[allow(unused_imports)]
            use super::*;
            use $crate::host::Guest;

            static GUEST: Guest<$type> = Guest::new($first);

            #[no_mangle]
            extern "C" fn retort_v1_window(size: usize) -> *mut u8 {
                $crate::host::window(size)
            }

            #[no_mangle]
            unsafe extern "C" fn retort_v1_reply(
                data: *const u8, len: usize, out: *mut u8, room: usize, meta: *const $crate::Meta,
            ) -> i32 {
                GUEST.reply(data, len, out, room, meta)
            }

            $($crate::serve!(@export $extra);)*
        }
    };
    (@export Configure) => {
        #[no_mangle]
        unsafe extern "C" fn retort_v1_configure(config: *const u8, len: usize) -> i32 {
            GUEST.configure(config, len)
        }
    };
    (@export Classify) => {
        #[no_mangle]
        unsafe extern "C" fn retort_v1_is_response(data: *const u8, len: usize, meta: *const $crate::Meta) -> i32 {
            GUEST.is_response(data, len, meta)
        }
    };
    (@export Idle) => {
        #[no_mangle]
        unsafe extern "C" fn retort_v1_idle() {
            GUEST.idle()
        }
    };
}

/// What [`serve!`] is made of; of no use to anybody else.
#[doc(hidden)]
pub mod host {
    use super::*;
    use core::cell::UnsafeCell;
    use core::slice::{from_raw_parts, from_raw_parts_mut};

    /// The handler, and where the host reaches it.
    pub struct Guest<H>(UnsafeCell<H>);

    // Safety: a module's instance has one thread, and the host's calls do not nest.
    unsafe impl<H> Sync for Guest<H> {}

    impl<H> Guest<H> {
        pub const fn new(first: H) -> Guest<H> {
            Guest(UnsafeCell::new(first))
        }

        #[allow(clippy::mut_from_ref)]
        unsafe fn handler(&self) -> &mut H {
            &mut *self.0.get()
        }
    }

    // Safety, of all of these: the host's pointers and lengths describe parts of the window that do not overlap.

    #[allow(clippy::missing_safety_doc)]
    impl<H: Handler> Guest<H> {
        pub unsafe fn reply(&self, data: *const u8, len: usize, out: *mut u8, room: usize, meta: *const Meta) -> i32 {
            let datagram = Datagram { data: from_raw_parts(data, len), meta: &*meta };
            let mut reply = Reply { room: from_raw_parts_mut(out, room), len: 0 };
            match self.handler().reply(&datagram, &mut reply) {
                Ok(()) => reply.len as i32,
                Err(NoReply::Silence) => -1,
                Err(NoReply::Malformed) => -2,
                Err(NoReply::Code(code)) => code.min(-100),
            }
        }
    }

    #[allow(clippy::missing_safety_doc)]
    impl<H: Configure> Guest<H> {
        pub unsafe fn configure(&self, config: *const u8, len: usize) -> i32 {
            match self.handler().configure(from_raw_parts(config, len)) {
                Ok(()) => 0,
                Err(0) => -100, // it refuses, whatever it says
                Err(code) => code,
            }
        }
    }

    #[allow(clippy::missing_safety_doc)]
    impl<H: Classify> Guest<H> {
        pub unsafe fn is_response(&self, data: *const u8, len: usize, meta: *const Meta) -> i32 {
            let datagram = Datagram { data: from_raw_parts(data, len), meta: &*meta };
            self.handler().is_response(&datagram) as i32
        }
    }

    #[allow(clippy::missing_safety_doc)]
    impl<H: Idle> Guest<H> {
        pub unsafe fn idle(&self) {
            self.handler().idle()
        }
    }

    /// How many bytes the host can be given to write requests, replies and the configuration to. A host of version
    /// 1 asks for what the largest request, the largest reply and a meta block take, or for the length of the
    /// configuration when that is more. It is linear memory, which is not touched before it is used.
    pub const WINDOW: usize = 160 * 1024;

    #[repr(C, align(16))]
    struct Window(UnsafeCell<[u8; WINDOW]>);

    // Safety: only the host writes there, between the calls of a guest that has one thread.
    unsafe impl Sync for Window {}

    static THE_WINDOW: Window = Window(UnsafeCell::new([0; WINDOW]));

    /// Where the window is, or null when it is too small.
    pub fn window(size: usize) -> *mut u8 {
        if size > WINDOW {
            return core::ptr::null_mut();
        }
        THE_WINDOW.0.get().cast()
    }
}

#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
