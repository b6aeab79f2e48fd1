//! Pipes that bytes go through from one socket to another without being copied into this process (splice, Linux).
//!
//! A pipe is borrowed only while bytes are under way, so that connections at rest hold none.

#[cfg(target_os = "linux")]
pub use linux::{Pipe, Pipes};
#[cfg(not(target_os = "linux"))]
pub use portable::{Pipe, Pipes};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
    use tokio::io::Interest;
    use tokio::net::TcpStream;

    /// How many may be in use: each holds kernel memory while its connection cannot send.
    const MOST_PIPES: usize = 256;
    /// How many are kept for the next who needs one.
    const MOST_IDLE: usize = 16;
    /// Larger pipes move more bytes with each call, up to what fits into a socket's buffers.
    const CAPACITY: usize = 256 * 1024;

    #[derive(Default)]
    pub struct Pipes {
        idle: Mutex<Vec<Ends>>,
        used: AtomicUsize,
    }

    struct Ends {
        read: OwnedFd,
        write: OwnedFd,
        capacity: usize,
    }

    /// A borrowed pipe. It goes back when it is dropped empty.
    pub struct Pipe<'a> {
        ends: Option<Ends>,
        filled: usize,
        home: &'a Pipes,
    }

    impl Pipes {
        /// A pipe, unless too many are in use or none can be made: then bytes are copied.
        pub fn take(&self) -> Option<Pipe<'_>> {
            if self.used.fetch_add(1, Ordering::Relaxed) >= MOST_PIPES {
                self.used.fetch_sub(1, Ordering::Relaxed);
                return None;
            }
            let mut pipe = Pipe { ends: None, filled: 0, home: self };
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            pipe.ends = Some(idle.or_else(Ends::new)?);
            Some(pipe)
        }
    }

    impl Ends {
        fn new() -> Option<Self> {
            let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).ok()?;
            let asked = i32::try_from(CAPACITY).expect("a small constant");
            let capacity =
                fcntl(&write, FcntlArg::F_SETPIPE_SZ(asked)).or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ));
            Some(Self { capacity: usize::try_from(capacity.ok()?).ok()?, read, write })
        }
    }

    impl Pipe<'_> {
        pub fn is_empty(&self) -> bool {
            self.filled == 0
        }

        /// Takes what the socket has; zero at its end. Only for an empty pipe: a full one looks like an empty socket.
        pub fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
            let ends = self.ends.as_ref().expect("held until dropped");
            let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
            let moved =
                from.try_io(Interest::READABLE, || Ok(splice(from, None, &ends.write, None, ends.capacity, flags)?))?;
            self.filled += moved;
            Ok(moved)
        }

        /// Gives what it holds to the socket, as far as that takes it.
        pub fn drain(&mut self, to: &TcpStream) -> io::Result<usize> {
            let ends = self.ends.as_ref().expect("held until dropped");
            let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
            let filled = self.filled;
            let moved = to.try_io(Interest::WRITABLE, || Ok(splice(&ends.read, None, to, None, filled, flags)?))?;
            self.filled -= moved;
            Ok(moved)
        }
    }

    impl Drop for Pipe<'_> {
        fn drop(&mut self) {
            self.home.used.fetch_sub(1, Ordering::Relaxed);
            let Some(ends) = self.ends.take().filter(|_| self.filled == 0) else { return };
            let mut idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MOST_IDLE {
                idle.push(ends);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::io;
    use std::marker::PhantomData;

    use tokio::net::TcpStream;

    /// There are none: bytes are copied.
    #[derive(Default)]
    pub struct Pipes;

    pub struct Pipe<'a>(std::convert::Infallible, PhantomData<&'a Pipes>);

    impl Pipes {
        pub fn take(&self) -> Option<Pipe<'_>> {
            None
        }
    }

    impl Pipe<'_> {
        pub fn is_empty(&self) -> bool {
            match self.0 {}
        }

        pub fn fill(&mut self, _: &TcpStream) -> io::Result<usize> {
            match self.0 {}
        }

        pub fn drain(&mut self, _: &TcpStream) -> io::Result<usize> {
            match self.0 {}
        }
    }
}
