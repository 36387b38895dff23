//! What no policy could have come to, and what a clock that stepped back has left.

use super::*;

#[test]
fn a_call_that_the_policy_could_not_have_come_to_is_invalid() {
    let now = at(5);
    let bytes = saved(&BOUNDED, &suspended(&BOUNDED, 4, now), now);
    let with = |place: usize, field: &[u8]| {
        let bytes = resealed(&bytes, |body| {
            body[2 + place..][..field.len()].copy_from_slice(field);
        });
        BOUNDED.restore(&bytes, now).map(drop)
    };
    let invalid = Err(SnapshotError::Invalid);
    assert_eq!(with(0, &9_u32.to_le_bytes()), invalid, "no attempt is left to wait for");
    assert_eq!(with(0, &0_u32.to_le_bytes()), invalid, "nothing has failed, yet it waits");
    assert_eq!(with(4, &3_u32.to_le_bytes()), invalid, "more refusals than are waited for");
    assert_eq!(with(8, &(60 * SECOND + 1).to_le_bytes()), invalid, "a delay above the longest");
    assert_eq!(with(16, &(3_000 * SECOND + 1).to_le_bytes()), invalid, "beyond the deadline");
    assert_eq!(with(24, &[2]), invalid, "neither waiting nor not");
    assert_eq!(with(24, &[0]), invalid, "a delay without a wait");
    assert_eq!(with(33, &0_u64.to_le_bytes()), invalid, "more left than there was");
    assert_eq!(with(33, &(60 * SECOND + 1).to_le_bytes()), invalid, "a wait above the longest");
    assert_eq!(with(0, &8_u32.to_le_bytes()), Ok(()));
    // The other policy has no deadline, and this one has.
    assert_eq!(JOIN.restore(&bytes, now).map(drop), invalid);
    let endless = saved(&JOIN, &suspended(&JOIN, 4, now), now);
    assert_eq!(BOUNDED.restore(&endless, now).map(drop), invalid);
}

#[test]
fn a_clock_that_stepped_back_before_the_save_makes_nothing_longer() {
    let call = suspended(&BOUNDED, 4, at(10_000));
    let delay = call.wait.unwrap().delay();
    let restored = BOUNDED.restore(&saved(&BOUNDED, &call, at(1)), Instant::EPOCH).unwrap();
    assert_eq!(restored.wait.unwrap().remaining(Instant::EPOCH), delay);
    assert_eq!(restored.retry.deadline(), Some(at(3_000)));
}
