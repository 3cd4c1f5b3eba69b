//! The keys of the terminal, one at a time, and the terminal as it was afterwards.
//!
//! Signals stay what they are: Ctrl-C interrupts, and is answered by whoever waits for a key.

use std::io::{self, IsTerminal as _};

use crate::failure::Failure;

/// The terminal, which passes on each key at once while this is there.
pub(super) struct Keys {
    /// Held for its end.
    mode: mode::Mode,
}

impl Keys {
    /// A usage error where there is no terminal to press keys on; none of this process is one of the person's
    /// unless they are `here`.
    pub(super) fn check(here: bool) -> Result<(), Failure> {
        if here && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Ok(());
        }
        Err(Failure::Usage {
            message: "a review asks for keys, and there is no terminal to press them on".into(),
            remedy: "Run it in a terminal, or decide entry by entry: `driftless conflicts resolve`, `acknowledge`."
                .into(),
        })
    }

    /// Takes the terminal over.
    pub(super) fn open() -> Result<Self, Failure> {
        let mode = mode::Mode::keys().map_err(Failure::System)?;
        Ok(Self { mode })
    }

    /// The next key; `None` where the terminal is gone. Keys that are no letter, such as arrows, are `'\0'`.
    pub(super) async fn key(&self) -> io::Result<Option<char>> {
        // A thread that waits for a key is left behind when the review ends, and ends with the process.
        let read = tokio::task::spawn_blocking(mode::read_key).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// The next line, typed with the terminal's own means; `None` where the terminal is gone.
    ///
    /// `question` asks for it, once what is typed is shown.
    pub(super) async fn line(
        &self,
        question: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Option<String>, Failure> {
        self.mode.lines().map_err(Failure::System)?;
        question()?;
        let read = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            let bytes = io::stdin().read_line(&mut line)?;
            Ok((bytes > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
        });
        let line = read
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        self.mode.keys_again().map_err(Failure::System)?;
        line.map_err(Failure::System)
    }
}

#[cfg(unix)]
mod mode {
    //! The terminal of a Unix system.

    use std::io::{self, BufRead as _};

    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };

    /// What begins the bytes of a key that is no letter.
    const ESCAPE: u8 = 0x1b;

    /// The terminal in our mode, until it is dropped.
    pub(super) struct Mode {
        before: Termios,
        keys: Termios,
    }

    impl Mode {
        pub(super) fn keys() -> io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            let mut keys = before.clone();
            keys.local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            keys.special_codes[SpecialCodeIndex::VMIN] = 1;
            keys.special_codes[SpecialCodeIndex::VTIME] = 0;
            let mode = Self { before, keys };
            mode.keys_again()?;
            Ok(mode)
        }

        pub(super) fn lines(&self) -> io::Result<()> {
            set(&self.before)
        }

        pub(super) fn keys_again(&self) -> io::Result<()> {
            set(&self.keys)
        }
    }

    impl Drop for Mode {
        fn drop(&mut self) {
            // A terminal that is gone needs nothing.
            let _ = set(&self.before);
        }
    }

    fn set(mode: &Termios) -> io::Result<()> {
        // Keys that were pressed already stay.
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, mode)?)
    }

    pub(super) fn read_key() -> io::Result<Option<char>> {
        let mut input = io::stdin().lock();
        let mut bytes = Vec::new();
        loop {
            let Some(&byte) = input.fill_buf()?.first() else {
                return Ok(None);
            };
            if byte == ESCAPE {
                // An arrow and its like come as one.
                let all = input.fill_buf()?.len();
                input.consume(all);
                return Ok(Some('\0'));
            }
            input.consume(1);
            bytes.push(byte);
            match std::str::from_utf8(&bytes) {
                Ok(text) => return Ok(text.chars().next()),
                Err(error) if error.error_len().is_some() => return Ok(Some('\0')),
                Err(_) => {} // the rest of a letter follows
            }
        }
    }
}

#[cfg(not(unix))]
mod mode {
    //! The terminal of another system, as `console` reads it.

    use std::io;

    use console::{Key, Term};

    /// Nothing is changed but while a key is read.
    pub(super) struct Mode;

    impl Mode {
        #[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
        pub(super) fn keys() -> io::Result<Self> {
            Ok(Self)
        }

        #[expect(
            clippy::unnecessary_wraps,
            clippy::unused_self,
            reason = "it is another on Unix"
        )]
        pub(super) fn lines(&self) -> io::Result<()> {
            Ok(())
        }

        #[expect(
            clippy::unnecessary_wraps,
            clippy::unused_self,
            reason = "it is another on Unix"
        )]
        pub(super) fn keys_again(&self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn read_key() -> io::Result<Option<char>> {
        Ok(match Term::stdout().read_key()? {
            Key::Char(letter) => Some(letter),
            Key::Enter => Some('\n'),
            Key::CtrlC => None,
            _ => Some('\0'),
        })
    }
}
