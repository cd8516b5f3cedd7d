//! The terminal of `wsim watch`: taken at the start, given back however the command ends, also by a panic.

use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::super::interrupt;
use wsim_watch::{Figures, draw};

/// The alternate screen of the terminal.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    has_colour: bool,
}

impl Screen {
    /// # Errors
    /// The terminal does not allow it.
    pub(super) fn start() -> std::io::Result<Self> {
        // Before a panic's message the terminal is given back, too.
        let terminal = ratatui::try_init()?;
        let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self { terminal, has_colour })
    }

    pub(super) fn draw(&mut self, figures: &Figures) -> std::io::Result<()> {
        let has_colour = self.has_colour;
        self.terminal.draw(|frame| draw(frame, figures, has_colour)).map(drop)
    }

    /// Waits for a key or a signal; draws again when the size changes. Returns whether the user wants to end.
    pub(super) fn wait(&mut self, time: Duration, figures: &Figures) -> anyhow::Result<bool> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if interrupt::sleep(Duration::ZERO) {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            if !event::poll(left.min(LOOK_EVERY))? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release && ends(key.code, key.modifiers) => return Ok(true),
                Event::Resize(..) => self.draw(figures)?,
                _ => {}
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Whether a key ends the command. Ctrl-C is a key, because the terminal passes on all of them.
fn ends(code: KeyCode, modifiers: KeyModifiers) -> bool {
    match code {
        KeyCode::Char('c' | 'd') => modifiers.contains(KeyModifiers::CONTROL),
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        _ => false,
    }
}

/// How soon a signal is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
