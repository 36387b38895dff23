//! The serde forms of details and values, and the total decoding of a frame from a peer.

use super::details::{Details, VALUE_TEXT, Value};
use super::wire::{LOST, RETRY_AFTER, WireDetails};
use crate::text::Text;
use crate::time::saturating_nanos;
use core::fmt;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value in a format that does not describe itself.
#[derive(serde::Serialize, serde::Deserialize)]
enum Tagged {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Text(Text<VALUE_TEXT>),
}

/// A plain number, `bool` or string in JSON and the like; tagged elsewhere. Spans of time are
/// nanoseconds, codes are numbers.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Self::Bool(value) => Tagged::Bool(*value),
            Self::Unsigned(value) => Tagged::Unsigned(*value),
            Self::Signed(value) => Tagged::Signed(*value),
            Self::Duration(span) => Tagged::Unsigned(saturating_nanos(*span)),
            Self::Code(code) => Tagged::Unsigned(code.number().into()),
            Self::Text(value) => Tagged::Text(value.clone()),
        };
        if !serializer.is_human_readable() {
            return value.serialize(serializer);
        }
        match value {
            Tagged::Bool(value) => serializer.serialize_bool(value),
            Tagged::Unsigned(value) => serializer.serialize_u64(value),
            Tagged::Signed(value) => serializer.serialize_i64(value),
            Tagged::Text(value) => value.serialize(serializer),
        }
    }
}

/// A map; what did not fit is counted under `details_cut`.
impl<const N: usize> Serialize for Details<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lost = usize::from(self.lost() > 0);
        let mut map = serializer.serialize_map(Some(self.len().saturating_add(lost)))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        if self.lost() > 0 {
            map.serialize_entry(LOST, &Value::from(self.lost()))?;
        }
        map.end()
    }
}

impl<const N: usize> Serialize for WireDetails<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (retry, lost) = (self.retry.value(), self.pairs.lost());
        let extra = usize::from(retry.is_some()).saturating_add(usize::from(lost > 0));
        let mut map = serializer.serialize_map(Some(self.pairs.len().saturating_add(extra)))?;
        if let Some(retry) = retry {
            map.serialize_entry(RETRY_AFTER, &retry)?;
        }
        for (key, value) in self.pairs.iter() {
            map.serialize_entry(key, value)?;
        }
        if lost > 0 {
            map.serialize_entry(LOST, &Value::from(lost))?;
        }
        map.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for WireDetails<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Pairs<N> {
            type Value = WireDetails<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of details")
            }

            // As long as the frame, which whoever received it has bounded.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireDetails<N>, A::Error> {
                let mut details = WireDetails::empty();
                while let Some((key, Decoded(value))) = map.next_entry()? {
                    match value {
                        Some(value) => details.push(key, value),
                        None => details.pairs.lose(1),
                    }
                }
                Ok(details)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// A value; `None` where it is of a kind that a [`Value`] can not hold.
struct Decoded(Option<Value>);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(AnyKind).map(Self);
        }
        Ok(Self(Some(match Tagged::deserialize(deserializer)? {
            Tagged::Bool(value) => Value::Bool(value),
            Tagged::Unsigned(value) => Value::Unsigned(value),
            Tagged::Signed(value) => Value::Signed(value),
            Tagged::Text(value) => Value::Text(value),
        })))
    }
}

/// Reads whatever stands there, and keeps what a [`Value`] can hold.
struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Signed(value)))
    }

    fn visit_str<E>(self, shown: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Text::from(shown))))
    }

    /// A float that a peer sent is dropped unread and counted as lost: the crate computes with none.
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::AnyKind;
    use crate::error::{Details, ErrorCode, Value, WireError};
    use crate::outcome::RetryAt;
    use crate::time::Instant;
    use core::time::Duration;
    use std::string::{String, ToString};
    use std::{format, vec::Vec};

    fn limited() -> WireError {
        let at = RetryAt::At(Instant::from_nanos(1_500_000_700));
        WireError::new(ErrorCode::RateLimitExceeded, "the bucket is short of tokens")
            .with_retry(at, Instant::from_nanos(700))
            .with_detail("peer", "node-3")
            .with_detail("open", true)
            .with_detail("drift", -4)
            .with_detail("span", Duration::from_millis(2))
    }

    fn every_shape() -> Vec<WireError> {
        let never = RetryAt::Never;
        let long = "x".repeat(300);
        Vec::from([
            limited(),
            limited().with_retry(never, Instant::EPOCH).with_detail("one too many", 1u8),
            WireError::new(ErrorCode::OperationFailed, &long).with_detail(&long, &*long),
            WireError::new(ErrorCode::UnknownError, "").with_detail("code", ErrorCode::LoadShed),
            WireError::new(ErrorCode::UnknownError, "…").with_detail("…", "…"),
            WireError::new(ErrorCode::UnknownError, "").with_detail("retry_after_ns", 5u8),
            WireError::new(ErrorCode::UnknownError, "").with_detail("details_cut", 999u16),
            WireError::new(ErrorCode::UnknownError, "\"\\\n\u{0}").with_detail("", u64::MAX),
        ])
    }

    #[test]
    fn details_are_a_map_that_says_how_many_did_not_fit() {
        let mut details = Details::<2>::new();
        details.push("a", 1_u8);
        let counted = |details: &Details<2>| {
            let mut frame = [0; 64];
            let frame = postcard::to_slice(details, &mut frame).unwrap();
            (serde_json::to_string(details).unwrap(), frame[0])
        };
        assert_eq!(counted(&details), (r#"{"a":1}"#.to_string(), 1));
        details.push("b", 2_u8);
        assert_eq!(counted(&details), (r#"{"a":1,"b":2}"#.to_string(), 2));
        details.push("c", 3_u8);
        details.push("d", 4_u8);
        assert_eq!(counted(&details), (r#"{"a":1,"b":2,"details_cut":2}"#.to_string(), 3));
    }

    #[test]
    fn what_is_something_else_is_refused_with_what_was_expected() {
        let json = r#"{"error_code":9001,"message":"","details":5}"#;
        let refused = serde_json::from_str::<WireError>(json).unwrap_err().to_string();
        assert!(refused.contains("expected a map of details"), "{refused}");
        let expected: &dyn serde::de::Expected = &AnyKind;
        assert_eq!(expected.to_string(), "a value");
    }

    #[test]
    fn a_wire_error_reads_as_error_code_message_and_details() {
        assert_eq!(
            serde_json::to_string(&limited()).unwrap(),
            "{\"error_code\":2001,\"message\":\"the bucket is short of tokens\",\"details\":{\
             \"retry_after_ns\":1500000000,\"peer\":\"node-3\",\"open\":true,\"drift\":-4,\
             \"span\":2000000}}"
        );
    }

    #[test]
    fn every_wire_error_makes_the_round_trip_through_json_and_postcard() {
        for error in every_shape() {
            let json = serde_json::to_string(&error).unwrap();
            assert_eq!(serde_json::from_str::<WireError>(&json).unwrap(), error, "{json}");
            let mut frame = [0; 512];
            let frame = postcard::to_slice(&error, &mut frame).unwrap();
            assert_eq!(postcard::from_bytes::<WireError>(frame).unwrap(), error, "{error:?}");
        }
    }

    #[test]
    fn a_code_of_a_newer_version_survives_as_a_number() {
        let error: WireError =
            serde_json::from_str(r#"{"error_code":5999,"message":"new","details":{}}"#).unwrap();
        assert_eq!((error.number(), error.code().is_err()), (5999, true));
        assert_eq!(error.to_string(), "5999: new");
        assert!(serde_json::to_string(&error).unwrap().contains("5999"));
    }

    #[test]
    fn what_a_peer_sends_beyond_the_bounds_is_cut_and_counted() {
        let long = "é".repeat(100);
        let json = format!(
            r#"{{"error_code":2001,"message":"{long}","later":[{{}}],"details":{{"a":1,"b":[1,{{"x":null}}],
                "c":1.5,"d":null,"e":{{"y":[true]}},"{long}":"{long}","f":1,"retry_after_ns":7,
                "g":1,"h":2}}}}"#
        );
        let error: WireError = serde_json::from_str(&json).unwrap();
        assert!(error.message().is_cut());
        assert_eq!(error.message().as_str().len(), 64);
        assert_eq!(error.details().count(), 4, "a, the long one, f and g");
        assert_eq!(error.lost(), 5, "b, c, d and e have no kind, h has no room");
        assert_eq!(error.retry_after(), Some(Duration::from_nanos(7)), "always has room");
        let (key, value) = error.details().nth(1).unwrap();
        assert_eq!(key.to_string(), "éééééééé…");
        assert_eq!(value.to_string(), "ééééééééééé…");
    }

    #[test]
    fn a_larger_error_is_read_by_a_node_with_room_for_less() {
        let mut frame = [0; 512];
        let frame = postcard::to_slice(&limited(), &mut frame).unwrap();
        let error: WireError<1> = postcard::from_bytes(frame).unwrap();
        assert_eq!((error.details().count(), error.lost()), (1, 3));
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_missing_message_and_missing_details_are_empty() {
        let error: WireError = serde_json::from_str(r#"{"error_code":9001}"#).unwrap();
        assert_eq!(error, WireError::new(ErrorCode::UnknownError, ""));
    }

    #[test]
    fn frames_of_an_attacker_are_errors_or_values_that_make_the_round_trip() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut decoded = 0;
        for error in every_shape() {
            let mut buffer = [0; 512];
            let frame = postcard::to_slice(&error, &mut buffer).unwrap().to_vec();
            let json = serde_json::to_vec(&error).unwrap();
            for _ in 0..2000 {
                let mut frame = frame.clone();
                let at = random() as usize % frame.len();
                frame[at] = random() as u8;
                frame.truncate(frame.len() - (random() as usize % 4) / 3);
                if let Ok(error) = postcard::from_bytes::<WireError>(&frame) {
                    let frame = postcard::to_slice(&error, &mut buffer).unwrap();
                    assert_eq!(postcard::from_bytes::<WireError>(frame).unwrap(), error);
                    decoded += 1;
                }
                let mut json = json.clone();
                let at = random() as usize % json.len();
                json[at] = random() as u8;
                if let Ok(error) = serde_json::from_slice::<WireError>(&json) {
                    let json = serde_json::to_vec(&error).unwrap();
                    assert_eq!(serde_json::from_slice::<WireError>(&json).unwrap(), error);
                    decoded += 1;
                }
            }
        }
        assert!(decoded > 1000, "only {decoded} frames came through: the test shows nothing");
    }

    #[test]
    fn a_frame_that_promises_more_than_it_holds_is_an_error() {
        // Code, empty message, a map of 2^63 entries and no entry.
        let mut frame = Vec::from([1, 0]);
        frame.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
        assert!(postcard::from_bytes::<WireError>(&frame).is_err());
    }

    #[test]
    fn an_error_code_is_its_number_and_a_number_that_is_none_is_refused() {
        for &code in ErrorCode::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, code.number().to_string());
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), code);
        }
        let error: String = serde_json::from_str::<ErrorCode>("5999").unwrap_err().to_string();
        assert!(error.starts_with("no error code has the number 5999"), "{error}");
    }

    #[test]
    fn a_value_that_is_not_below_zero_travels_unsigned() {
        let error = WireError::<1>::new(ErrorCode::UnknownError, "").with_detail("n", 4i32);
        assert_eq!(error.get("n"), Some(&Value::Unsigned(4)));
    }

    #[test]
    fn under_the_name_of_the_wait_only_a_number_or_never_is_one() {
        let read = |value: &str| -> WireError {
            let json = format!(
                r#"{{"error_code":2001,"message":"","details":{{"retry_after_ns":{value}}}}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        let kept = |error: &WireError| error.get("retry_after_ns").cloned();
        let five = read("5");
        assert_eq!((five.retry_after(), kept(&five)), (Some(Duration::from_nanos(5)), None));
        let never = read(r#""never""#);
        assert_eq!((never.never(), kept(&never)), (true, None));
        let soon = read(r#""soon""#);
        assert_eq!((soon.retry_after(), soon.never()), (None, false));
        assert_eq!(kept(&soon), Some(Value::from("soon")), "a detail like any other");
    }
}
