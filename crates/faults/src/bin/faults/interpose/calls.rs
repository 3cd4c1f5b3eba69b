//! Functions with the names of the C library's, each of which carries out the system call itself.
//!
//! This is the one file of the project that needs `unsafe`: it hands on the pointers it is handed, and reads through
//! them only what the caller of the C library vouches for. What changes files in a way that is not modelled ends the
//! process, so that nothing is missed in silence.

#![allow(
    unsafe_code,
    reason = "it stands in the place of functions of the C library"
)]

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use driftless_faults::Operation;
use libc::{c_char, c_int, c_long, c_void, iovec, mode_t, off_t, off64_t, size_t, ssize_t};

use super::state::{self, Doing, State, Tracked, Verdict};

/// What a system call answers: -1 means that `errno` says why not.
fn failed<T: From<i8>>(error: c_int) -> T {
    // SAFETY: the C library gives each thread its own.
    unsafe { *libc::__errno_location() = error };
    T::from(-1)
}

fn die() -> ! {
    // SAFETY: plain numbers; it does not return.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
        libc::_exit(9)
    }
}

/// Ends the process over something that this cannot record.
fn not_modelled(what: &str) -> ! {
    let text = format!("faults: {what} is not modelled\n");
    // SAFETY: the pointer and the length are those of the text.
    unsafe {
        libc::syscall(libc::SYS_write, 2, text.as_ptr(), text.len());
        libc::_exit(70)
    }
}

fn narrow(answer: c_long) -> c_int {
    c_int::try_from(answer).unwrap_or(-1)
}

fn sized(answer: c_long) -> ssize_t {
    ssize_t::try_from(answer).unwrap_or(-1)
}

/// # Safety
/// `path` is null or a C string.
unsafe fn bytes_of<'a>(path: *const c_char) -> &'a [u8] {
    if path.is_null() {
        return b"";
    }
    // SAFETY: the caller says so.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

/// # Safety
/// `buffer` has `length` bytes.
unsafe fn slice_of<'a>(buffer: *const c_void, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller says so.
    unsafe { std::slice::from_raw_parts(buffer.cast(), length) }
}

pub(super) fn open_log(path: &Path) -> c_int {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_APPEND | libc::O_CLOEXEC;
    // SAFETY: a C string and plain numbers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            0o600,
        )
    };
    if fd < 0 {
        not_modelled("a log that cannot be made");
    }
    narrow(fd)
}

pub(super) fn close_log(fd: c_int) {
    // SAFETY: a descriptor of ours.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

pub(super) fn append_to_log(fd: c_int, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        // SAFETY: the pointer and the length are those of a slice.
        let written = unsafe { libc::syscall(libc::SYS_write, fd, rest.as_ptr(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => rest = &rest[written..],
            _ => not_modelled("a log that cannot be written"),
        }
    }
}

// ---- opening and closing ----

/// # Safety
/// As of `openat`.
unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: what the caller handed us, handed on.
    let raw = |path: *const c_char| unsafe {
        narrow(libc::syscall(libc::SYS_openat, folder, path, flags, mode))
    };
    if !state::is_active() {
        return raw(path);
    }
    // SAFETY: the caller hands us a C string.
    let name = unsafe { bytes_of(path) };
    let mut state = state::lock();
    if let Some(boot_id) = state.boot_id(name) {
        return raw(boot_id.as_ptr());
    }
    let Some(below) = state.below_open(folder, name) else {
        let fd = raw(path);
        state.untrack(fd);
        return fd;
    };
    // SAFETY: as above.
    let was_there = unsafe { libc::syscall(libc::SYS_faccessat, folder, path, libc::F_OK) == 0 };
    let creates = flags & libc::O_CREAT != 0 && !was_there;
    let doing = if creates {
        Doing::Making
    } else {
        Doing::Opening
    };
    match state.judge(doing) {
        Verdict::Fail(error) => return failed(error),
        Verdict::Die => die(),
        Verdict::CarryOut | Verdict::Half => {}
    }
    let fd = raw(path);
    if fd >= 0 {
        let is_folder = is_folder(fd);
        let handle = state.track(fd, below.clone(), flags & libc::O_APPEND != 0, is_folder);
        let emptied = flags & libc::O_TRUNC != 0 && was_there;
        state.record(&Operation::Open {
            handle,
            path: below,
            created: creates,
            emptied,
        });
    }
    fd
}

fn is_folder(fd: c_int) -> bool {
    // SAFETY: `stat64` is plain numbers, for which zeros are a value, and is filled in by the call.
    unsafe {
        let mut found: libc::stat64 = std::mem::zeroed();
        libc::fstat64(fd, &raw mut found) == 0 && found.st_mode & libc::S_IFMT == libc::S_IFDIR
    }
}

fn length_of(fd: c_int) -> u64 {
    // SAFETY: as above.
    unsafe {
        let mut found: libc::stat64 = std::mem::zeroed();
        libc::fstat64(fd, &raw mut found);
        u64::try_from(found.st_size).unwrap_or(0)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: what the caller handed us, handed on; so it is in all functions below that say nothing else.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    unsafe { open_at(dir, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: see `open`.
    unsafe { open_at(dir, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_close, fd)) };
    if !state::is_active() {
        return raw();
    }
    let mut state = state::lock();
    state.untrack(fd);
    raw()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_fcntl, fd, command, argument)) };
    if !state::is_active() || (command != libc::F_DUPFD && command != libc::F_DUPFD_CLOEXEC) {
        return raw();
    }
    let mut state = state::lock();
    let copy = raw();
    if copy >= 0 {
        state.track_copy(fd, copy);
    }
    copy
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: c_long) -> c_int {
    // SAFETY: see `open`.
    unsafe { fcntl(fd, command, argument) }
}

// ---- reading ----

/// Carries out a call on a descriptor unless it is a file below the folder and its reading is to fail.
fn read_with(fd: c_int, raw: impl FnOnce() -> ssize_t) -> ssize_t {
    if !state::is_active() {
        return raw();
    }
    let mut state = state::lock();
    if state.tracked(fd).is_none_or(|open| open.is_folder) {
        // A read of something else may wait for long.
        drop(state);
        return raw();
    }
    match state.judge(Doing::Reading) {
        Verdict::Fail(error) => failed(i32::min(error, libc::EIO)),
        Verdict::Die => die(),
        Verdict::CarryOut | Verdict::Half => raw(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, count: size_t) -> ssize_t {
    // SAFETY: see `open`.
    read_with(fd, || unsafe {
        sized(libc::syscall(libc::SYS_read, fd, buffer, count))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pread(
    fd: c_int,
    buffer: *mut c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: see `open`.
    read_with(fd, || unsafe {
        sized(libc::syscall(libc::SYS_pread64, fd, buffer, count, offset))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pread64(
    fd: c_int,
    buffer: *mut c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { pread(fd, buffer, count, offset) }
}

// ---- writing ----

/// # Safety
/// `buffer` has `count` bytes.
unsafe fn write_at(fd: c_int, buffer: *const c_void, count: usize, at: Option<u64>) -> ssize_t {
    // SAFETY: what the caller handed us, or less of it, handed on.
    let raw = |count: usize| unsafe {
        sized(match at {
            Some(offset) => libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset),
            None => libc::syscall(libc::SYS_write, fd, buffer, count),
        })
    };
    if !state::is_active() {
        return raw(count);
    }
    let mut state = state::lock();
    let Some(open) = state.tracked(fd).filter(|open| !open.is_folder).cloned() else {
        drop(state);
        return raw(count);
    };
    let offset = at.unwrap_or_else(|| position(fd, &open));
    let verdict = state.judge(Doing::Writing);
    let count = match verdict {
        Verdict::Fail(error) => return failed(error),
        Verdict::Half | Verdict::Die => count.div_ceil(2),
        Verdict::CarryOut => count,
    };
    let answer = raw(count);
    if let Ok(written) = usize::try_from(answer) {
        // SAFETY: the caller says so, and no more was written than there is.
        let bytes = unsafe { slice_of(buffer, written) }.to_vec();
        let handle = open.handle;
        state.record(&Operation::Write {
            handle,
            offset,
            bytes,
        });
    }
    if verdict == Verdict::Die {
        die();
    }
    answer
}

/// Where the next write without an offset goes.
fn position(fd: c_int, open: &Tracked) -> u64 {
    if open.appends {
        return length_of(fd);
    }
    // SAFETY: plain numbers.
    let at = unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) };
    u64::try_from(at).unwrap_or(0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { write_at(fd, buffer, count, None) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { write_at(fd, buffer, count, u64::try_from(offset).ok()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: see `open`.
    unsafe { write_at(fd, buffer, count, u64::try_from(offset).ok()) }
}

/// Ends the process where a descriptor is a file below the folder.
fn pass_unless_tracked(fds: &[c_int], what: &str) {
    if state::is_active() {
        let state = state::lock();
        let is_file = |fd: &c_int| state.tracked(*fd).is_some_and(|open| !open.is_folder);
        if fds.iter().any(is_file) {
            not_modelled(what);
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    pass_unless_tracked(&[fd], "writev");
    // SAFETY: see `open`.
    unsafe { sized(libc::syscall(libc::SYS_writev, fd, parts, count)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_at: *mut off64_t,
    to: c_int,
    to_at: *mut off64_t,
    count: size_t,
    flags: u32,
) -> ssize_t {
    pass_unless_tracked(&[to], "copy_file_range");
    // SAFETY: see `open`.
    sized(unsafe {
        libc::syscall(
            libc::SYS_copy_file_range,
            from,
            from_at,
            to,
            to_at,
            count,
            flags,
        )
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile64(
    to: c_int,
    from: c_int,
    offset: *mut off64_t,
    count: size_t,
) -> ssize_t {
    pass_unless_tracked(&[to], "sendfile");
    // SAFETY: see `open`.
    unsafe { sized(libc::syscall(libc::SYS_sendfile, to, from, offset, count)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    if protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0 {
        pass_unless_tracked(&[fd], "a mapping that can be written");
    }
    // SAFETY: see `open`.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mmap,
            address,
            length,
            protection,
            flags,
            fd,
            offset,
        )
    };
    // It may be -1, which is no address.
    std::ptr::with_exposed_provenance_mut(sized(answer).cast_unsigned())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mmap64(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off64_t,
) -> *mut c_void {
    // SAFETY: see `open`.
    unsafe { mmap(address, length, protection, flags, fd, offset) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fallocate64(fd: c_int, mode: c_int, at: off64_t, length: off64_t) -> c_int {
    pass_unless_tracked(&[fd], "fallocate");
    // SAFETY: see `open`.
    unsafe { narrow(libc::syscall(libc::SYS_fallocate, fd, mode, at, length)) }
}

/// Carries out a call on a descriptor and records it, unless it is to fail.
fn change_with(
    fd: c_int,
    doing: Doing,
    raw: impl FnOnce() -> c_int,
    operation: impl Fn(u64) -> Operation,
) -> c_int {
    if !state::is_active() {
        return raw();
    }
    let mut state = state::lock();
    let Some(handle) = state.tracked(fd).map(|open| open.handle) else {
        drop(state);
        return raw();
    };
    match state.judge(doing) {
        Verdict::Fail(error) => {
            if doing == Doing::Syncing {
                state.record(&Operation::SyncFailed { handle });
            }
            return failed(error);
        }
        Verdict::Die => die(),
        Verdict::CarryOut | Verdict::Half => {}
    }
    let answer = raw();
    if answer == 0 && (doing != Doing::Syncing || state.covers(fd)) {
        state.record(&operation(handle));
    }
    answer
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_ftruncate, fd, length)) };
    let length = u64::try_from(length).unwrap_or(0);
    change_with(fd, Doing::Resizing, raw, |handle| Operation::SetLength {
        handle,
        length,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    // SAFETY: see `open`.
    unsafe { ftruncate(fd, length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_fsync, fd)) };
    change_with(fd, Doing::Syncing, raw, |handle| Operation::Sync { handle })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_fdatasync, fd)) };
    change_with(fd, Doing::Syncing, raw, |handle| Operation::Sync { handle })
}

// ---- names ----

/// Carries out a call on a path and records it, unless it is to fail.
fn name_with(
    below: impl FnOnce(&State) -> Option<String>,
    doing: Doing,
    raw: impl FnOnce() -> c_int,
    operation: impl FnOnce(String) -> Operation,
) -> c_int {
    if !state::is_active() {
        return raw();
    }
    let mut state = state::lock();
    let Some(path) = below(&state) else {
        return raw();
    };
    match state.judge(doing) {
        Verdict::Fail(error) => return failed(error),
        Verdict::Die => die(),
        Verdict::CarryOut | Verdict::Half => {}
    }
    let answer = raw();
    if answer == 0 {
        state.record(&operation(path));
    }
    answer
}

/// # Safety
/// As of `rename`.
unsafe fn rename_at(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: see `open`; `renameat2` is there on all architectures.
    let raw = || unsafe {
        let here = libc::AT_FDCWD;
        narrow(libc::syscall(libc::SYS_renameat2, here, from, here, to, 0))
    };
    // SAFETY: the caller hands us C strings.
    let (from, to) = unsafe { (bytes_of(from), bytes_of(to)) };
    let both = |state: &State| match (state.below(from), state.below(to)) {
        (Some(from), Some(to)) => Some(format!("{from}\n{to}")),
        (None, None) => None,
        _ => not_modelled("a rename out of the folder"),
    };
    name_with(both, Doing::Making, raw, |both| {
        let (from, to) = both.split_once('\n').unwrap_or_default();
        Operation::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { rename_at(from, to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_unlinkat, dir, path, flags)) };
    // SAFETY: the caller hands us a C string.
    let name = unsafe { bytes_of(path) };
    let below = |state: &State| state.below_open(dir, name);
    name_with(below, Doing::Removing, raw, |path| {
        if flags & libc::AT_REMOVEDIR == 0 {
            Operation::Remove { path }
        } else {
            Operation::RemoveFolder { path }
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { unlinkat(libc::AT_FDCWD, path, libc::AT_REMOVEDIR) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: see `open`.
    let raw = || unsafe { narrow(libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode)) };
    // SAFETY: the caller hands us a C string.
    let name = unsafe { bytes_of(path) };
    let below = |state: &State| state.below(name);
    name_with(below, Doing::Making, raw, |path| Operation::MakeFolder {
        path,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: see `open`.
    unsafe { linkat(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn linkat(
    from_dir: c_int,
    from: *const c_char,
    dir: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller hands us C strings.
    let (source, target) = unsafe { (bytes_of(from), bytes_of(to)) };
    if state::is_active() {
        let state = state::lock();
        if state
            .below_open(from_dir, source)
            .or(state.below_open(dir, target))
            .is_some()
        {
            not_modelled("a second name of a file");
        }
    }
    // SAFETY: see `open`.
    unsafe {
        narrow(libc::syscall(
            libc::SYS_linkat,
            from_dir,
            from,
            dir,
            to,
            flags,
        ))
    }
}
