//! `GET /sales/{id}/sold-filter`: the filter for a gateway that wants to refuse even earlier.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue};

use crate::application::sale::sold_filter::SoldFilter;

use super::answer::{self, Answer};
use super::checkout::sale_not_found;
use super::etag;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::ApiRequest;

const BITS: HeaderName = HeaderName::from_static("x-filter-bits");
const HASHES: HeaderName = HeaderName::from_static("x-filter-hashes");
const LET_THROUGH: HeaderName = HeaderName::from_static("x-filter-let-through");
const LEDGER_ID: HeaderName = HeaderName::from_static("x-filter-ledger-id");

/// The filter as it is, or nothing but headers where the caller has it already.
pub async fn get(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let id = asked.params.parse("id")?;
    let [] = query::read(asked.query(), [])?;
    let sale = front.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    Ok(shown(&sale.filter(), &asked.head.headers))
}

fn shown(filter: &SoldFilter, asked: &HeaderMap) -> Answer {
    let tag = format!("\"{}\"", filter.as_of());
    let (status, bytes) = match etag::is_known(asked, &tag) {
        true => (StatusCode::NOT_MODIFIED, Vec::new()),
        false => (StatusCode::OK, filter.to_bytes()),
    };
    let mut answer = answer::of_type("application/octet-stream", status, bytes.into());
    let let_through: Vec<String> = filter.let_through().iter().map(|ordinal| ordinal.to_string()).collect();
    let texts = [
        (ETAG, tag),
        (BITS, filter.bits().to_string()),
        (HASHES, filter.hash_functions().to_string()),
        (LET_THROUGH, let_through.join(",")),
        (LEDGER_ID, filter.as_of().to_string()),
    ];
    let headers = answer.headers_mut();
    headers.extend(texts.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::header::IF_NONE_MATCH;

    use crate::domain::shared::LedgerId;

    use super::*;

    fn shown_to(if_none_match: Option<&str>) -> Answer {
        let mut asked = HeaderMap::new();
        asked.extend(if_none_match.map(|value| (IF_NONE_MATCH, value.parse().unwrap())));
        let as_of: LedgerId = "1763632800000-7".parse().unwrap();
        let left: Vec<u32> = (0..10_000).map(|index| u32::from(index % 2 == 0)).collect();
        shown(&SoldFilter::new(&left, as_of), &asked)
    }

    #[tokio::test]
    async fn the_filter_comes_with_what_is_needed_to_read_it() {
        let answer = shown_to(None);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (header("etag"), header("x-filter-ledger-id")),
            ("\"1763632800000-7\"".into(), "1763632800000-7".into())
        );
        assert!(header("x-filter-bits").parse::<u64>().unwrap() > 100_000);
        assert!(header("x-filter-hashes").parse::<u32>().unwrap() > 5);
        let let_through = header("x-filter-let-through");
        assert!(let_through.is_empty() || let_through.split(',').all(|number| number.parse::<u32>().is_ok()));
        assert!(answer.into_body().collect().await.unwrap().to_bytes().len() > 10_000);
    }

    #[tokio::test]
    async fn a_filter_that_the_caller_has_is_not_sent_again() {
        for known in ["\"1763632800000-7\"", "W/\"1763632800000-7\"", "\"x\", \"1763632800000-7\"", "*"] {
            let answer = shown_to(Some(known));
            assert_eq!(answer.status(), 304, "{known}");
            assert!(answer.headers().contains_key(ETAG));
            assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
        assert_eq!(shown_to(Some("\"1763632800000-8\"")).status(), 200);
    }
}
