//! A disk that remembers the order of everything: this program's file calls come here instead of to the C library.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happened, to which file (by its inode) where it was to one.
#[derive(Debug)]
pub enum Call {
    Write {
        file: u64,
        at: u64,
        data: Vec<u8>,
    },
    Cut {
        file: u64,
        length: u64,
    },
    /// What was written before `since`, a place in the log, lasts.
    Synced {
        file: u64,
        since: usize,
    },
    /// The engine was given a batch, by its number.
    Begun(usize),
    /// The engine said that the batch lasts.
    Done(usize),
}

static LOG: Mutex<Vec<Call>> = Mutex::new(Vec::new());
static IS_RECORDING: AtomicBool = AtomicBool::new(false);

/// A disk takes its time, in which other threads get on.
const SYNC: Duration = Duration::from_micros(100);

pub fn log() -> MutexGuard<'static, Vec<Call>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers from now on.
pub fn start() {
    log().clear();
    IS_RECORDING.store(true, SeqCst);
}

/// What happened since the start.
pub fn stop() -> Vec<Call> {
    IS_RECORDING.store(false, SeqCst);
    std::mem::take(&mut *log())
}

/// The inode behind a descriptor, while calls are remembered.
fn recorded(descriptor: c_int) -> Option<u64> {
    if !IS_RECORDING.load(SeqCst) {
        return None;
    }
    // SAFETY: `stat` is plain data, for which zeros are a value, and fstat writes one.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &mut found) == 0).then_some(found.st_ino)
    }
}

/// Nothing is really synced: the machine that this runs on is not what is tested.
fn sync(descriptor: c_int) -> c_int {
    let Some(file) = recorded(descriptor) else { return 0 };
    let since = log().len();
    std::thread::sleep(SYNC);
    log().push(Call::Synced { file, since });
    0
}

#[unsafe(no_mangle)]
extern "C" fn fsync(descriptor: c_int) -> c_int {
    sync(descriptor)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    sync(descriptor)
}

/// Starts writing, and promises nothing.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(_descriptor: c_int, _at: i64, _length: i64, _flags: c_uint) -> c_int {
    if IS_RECORDING.load(SeqCst) {
        std::thread::sleep(SYNC / 2);
    }
    0
}

/// # Safety
/// As the C library's: `data` has `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(descriptor: c_int, data: *const c_void, length: usize, at: i64) -> isize {
    // SAFETY: the caller keeps the promise above, and the call is the one that the C library makes.
    let written = unsafe { libc::syscall(libc::SYS_pwrite64, descriptor, data, length, at) } as isize;
    if written > 0
        && let Some(file) = recorded(descriptor)
    {
        // SAFETY: as many bytes have just been read from there.
        let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), written as usize) }.to_vec();
        log().push(Call::Write { file, at: at as u64, data });
    }
    written
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(descriptor: c_int, length: i64) -> c_int {
    // SAFETY: no memory is involved.
    let outcome = unsafe { libc::syscall(libc::SYS_ftruncate, descriptor, length) } as c_int;
    if let Some(file) = recorded(descriptor) {
        log().push(Call::Cut { file, length: length as u64 });
    }
    outcome
}
