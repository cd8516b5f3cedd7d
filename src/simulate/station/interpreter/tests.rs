use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::processor::Quota;
use super::*;
use crate::engine::random::{Purpose, stream};

fn ms(value: u64) -> Time {
    Time::from_millis(value)
}

fn work(milliseconds: u64) -> Span {
    Span::from_millis(milliseconds)
}

fn interpreter(cpu: Cpu, background: Background) -> Interpreter {
    Interpreter::new(cpu, background, stream(1, Purpose::Background, 0), MeasurementWindow::new(Time::ZERO, ms(1_000_000), 10))
}

#[derive(Debug, Clone, Copy)]
enum Submission {
    Slice(Span),
    Thread(Span),
    Unawaited(Span),
}

/// Submits everything at its time; returns what is done and when, by index of submission.
fn play(interpreter: &mut Interpreter, submissions: &[(Time, Submission)]) -> Vec<(u32, Time)> {
    let (mut due, mut done) = (BTreeSet::new(), Vec::new());
    let poll_until = |interpreter: &mut Interpreter, due: &mut BTreeSet<Time>, done: &mut Vec<(u32, Time)>, until: Time| {
        while let Some(now) = due.first().copied().filter(|&at| at < until) {
            due.remove(&now);
            loop {
                match interpreter.poll(now) {
                    Poll::Done(one) => {
                        assert!(one.started <= now && one.arrived <= one.started);
                        done.push((one.payload, now));
                    }
                    Poll::At(at) => {
                        due.extend(Some(at).filter(|&at| at != Time::NEVER));
                        break;
                    }
                    Poll::Unchanged => break,
                }
            }
        }
    };
    for (&(now, submission), payload) in submissions.iter().zip(0..) {
        poll_until(interpreter, &mut due, &mut done, now);
        match submission {
            Submission::Slice(work) => due.extend(interpreter.submit_slice(now, work, payload)),
            Submission::Unawaited(work) => interpreter.submit_unawaited(now, work),
            Submission::Thread(work) => match interpreter.submit_thread(now, work, payload, now) {
                ThreadAdmission::Immediate => done.push((payload, now)),
                ThreadAdmission::At(at) => due.extend([at]),
                ThreadAdmission::Waiting => {}
            },
        }
    }
    poll_until(interpreter, &mut due, &mut done, Time::NEVER);
    done
}

#[test]
fn slices_run_in_order_and_unawaited_work_among_them() {
    let submissions = [
        (ms(0), Submission::Slice(work(3))),
        (ms(1), Submission::Unawaited(work(2))),
        (ms(2), Submission::Slice(work(4))),
        (ms(20), Submission::Unawaited(work(5))),
    ];
    let submissions = [&submissions[..], &[(ms(21), Submission::Slice(work(1)))]].concat();
    assert_eq!(play(&mut interpreter(Cpu::CORE, Background::NONE), &submissions), [(0, ms(3)), (2, ms(9)), (4, ms(26))]);
}

#[test]
fn a_thread_waits_for_a_switch_and_not_for_the_reactor_s_queue() {
    // Ten slices of 4 ms and one of 30; a thread without work, and one that works 1 ms.
    let slices = (0..10).map(|_| (ms(0), Submission::Slice(work(4)))).chain([(ms(0), Submission::Slice(work(30)))]);
    let submissions: Vec<_> = slices.chain([(ms(1), Submission::Thread(work(0))), (ms(43), Submission::Thread(work(1)))]).collect();
    let done = play(&mut interpreter(Cpu::CORE, Background::NONE), &submissions);
    let at = |payload: u32| done.iter().find(|one| one.0 == payload).map(|one| one.1);
    assert_eq!((at(0), at(11)), (Some(ms(4)), Some(ms(4))), "after the running slice");
    assert_eq!(at(12), Some(ms(49)), "after 5 ms of a long one");
    assert_eq!(at(10), Some(ms(71)), "which resumes after the thread");
}

#[test]
fn under_a_small_quota_threads_queue_behind_the_reactor() {
    let thin = Cpu { speed: 1.0, quota: Some(Quota { budget: work(5), period: work(20) }) };
    let submissions = [
        (ms(0), Submission::Slice(work(4))),
        (ms(0), Submission::Slice(work(4))),
        (ms(1), Submission::Thread(work(0))),
        (ms(1), Submission::Slice(work(1))),
    ];
    let submissions = [&submissions[..], &[(ms(2), Submission::Thread(work(2)))]].concat();
    let done = play(&mut interpreter(thin, Background::NONE), &submissions);
    assert_eq!(done, [(0, ms(4)), (1, ms(23)), (2, ms(23)), (3, ms(24)), (4, ms(41))]);
}

#[test]
fn threads_do_not_starve_the_reactor() {
    // A thread of 2 ms every ms, and a slice submitted after the first of them.
    let threads = (1..20).map(|at| (ms(at), Submission::Thread(work(2))));
    let submissions: Vec<_> =
        [(ms(0), Submission::Thread(work(2))), (ms(0), Submission::Slice(work(3)))].into_iter().chain(threads).collect();
    let done = play(&mut interpreter(Cpu::CORE, Background::NONE), &submissions);
    assert_eq!(done[..2], [(0, ms(2)), (1, ms(5))]);
}

#[test]
fn background_work_takes_its_share_and_its_place_in_the_queue() {
    let end = ms(1_000_000);
    let mut interpreter = interpreter(Cpu::CORE, Background::from_utilisation(0.1));
    interpreter.advance(end);
    assert!((interpreter.busy().utilisation() - 0.1).abs() < 0.005, "{}", interpreter.busy().utilisation());
    let ends = interpreter.submit_slice(end, work(1), 7).unwrap();
    assert!(ends >= end + work(1));
    assert!(matches!(interpreter.poll(ends), Poll::Done(Completed { payload: 7, .. })));
    assert_eq!(interpreter.present().present(), 0);
}

proptest! {
    #[test]
    fn whatever_runs_first_all_work_is_done_as_soon_as_possible(
        rows in prop::collection::vec((0u64..8_000, 0u8..3, 0u64..12_000), 1..60),
        quota in any::<bool>(),
    ) {
        let cpu = Cpu { speed: 1.0, quota: quota.then_some(Quota { budget: work(8), period: work(20) }) };
        let mut now = Time::ZERO;
        let submissions: Vec<(Time, Submission)> = rows.iter().map(|&(gap, kind, us)| {
            now = now + Span::from_micros(gap);
            let work = Span::from_micros(us);
            (now, match kind { 0 => Submission::Slice(work), 1 => Submission::Thread(work), _ => Submission::Unawaited(work) })
        }).collect();
        let mut one = interpreter(cpu, Background::NONE);
        let done = play(&mut one, &submissions);
        // Every submission once, threads and slices each in their order.
        let of = |wanted: fn(&Submission) -> bool| -> Vec<u32> { submissions.iter().zip(0..).filter(|(c, _)| wanted(&c.1)).map(|(_, n)| n).collect() };
        let (slices, threads) = (of(|c| matches!(c, Submission::Slice(_))), of(|c| matches!(c, Submission::Thread(_))));
        let order = |these: &[u32]| -> Vec<u32> { done.iter().map(|d| d.0).filter(|n| these.contains(n)).collect() };
        prop_assert_eq!(order(&slices), slices);
        prop_assert_eq!(order(&threads), threads);
        prop_assert_eq!(one.present().present(), 0);
        // Work conservation: the end is that of a server that takes everything in the order of arrival.
        let mut plain = Processor::new(cpu, MeasurementWindow::new(Time::ZERO, ms(1_000_000), 10));
        for &(at, submission) in &submissions {
            let (Submission::Slice(work) | Submission::Thread(work) | Submission::Unawaited(work)) = submission;
            if work > Span::ZERO {
                plain.serve(at, work);
            }
        }
        one.advance(ms(1_000_000));
        prop_assert_eq!(one.free_at(), plain.free_at());
        prop_assert!((one.busy().seconds() - plain.busy().seconds()).abs() < 1e-9);
    }
}

#[test]
fn an_idle_year_costs_nothing_and_its_background_work_counts() {
    let year = Time::from_millis(365 * 86_400_000);
    let measurement = MeasurementWindow::new(Time::ZERO, year, 10);
    let mut one = Interpreter::new(Cpu::CORE, Background::from_utilisation(0.02), stream(1, Purpose::Background, 0), measurement);
    assert_eq!(one.submit_slice(ms(5), work(10), 1), Some(ms(15)));
    assert!(matches!(one.poll(ms(15)), Poll::Done(_)));
    one.poll(ms(15));
    one.advance(year);
    // Six hundred million pieces would differ from their mean by more.
    assert!((one.busy().utilisation() - 0.02).abs() < 1e-7, "{}", one.busy().utilisation());
    assert!(one.busy().over_time().iter().all(|cores| (cores - 0.02).abs() < 1e-5));
}

#[test]
fn a_short_idle_time_is_simulated_piece_by_piece() {
    let mut one = interpreter(Cpu::CORE, Background::from_utilisation(0.02));
    one.advance(ms(500_000));
    let pieces = one.busy().seconds() / 0.001;
    assert!((pieces - pieces.round()).abs() < 1e-6 && (9_000.0..11_000.0).contains(&pieces), "{pieces}");
}
