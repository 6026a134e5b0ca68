//! `GET /sales/{id}/sold-filter`: sends the sold-item filter to a gateway, so that it can refuse sold items itself.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use utoipa::openapi::schema::Schema;

use crate::application::sale::sold_filter::SoldFilter;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, etag, query,
};

use super::BROWSING;
use super::problems::sale_not_found;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales/{id}/sold-filter",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

const BITS: HeaderName = HeaderName::from_static("x-filter-bits");
const HASHES: HeaderName = HeaderName::from_static("x-filter-hashes");
const LET_THROUGH: HeaderName = HeaderName::from_static("x-filter-let-through");
const LEDGER_ID: HeaderName = HeaderName::from_static("x-filter-ledger-id");

fn describe() -> Description {
    let description = "Sends a Bloom filter of the sold items, so that a gateway can refuse them. The unsold items that \
                       the filter contains by mistake are named in `X-Filter-Let-Through`.";
    let described = Description::new(BROWSING, "getSoldFilter", "Get the filter of sold items", description)
        .path::<SaleId>("id")
        .request_header("If-None-Match", text(), "The `ETag` of the filter that the caller has")
        .answer_as(200, "application/octet-stream", Schema::default(), "The filter")
        .empty_answer(304, "The caller has this filter");
    let described = [200, 304].into_iter().fold(described, |described, status| {
        described
            .header(status, "ETag", "Changes with the filter")
            .header(status, "X-Filter-Bits", "Number of bits")
            .header(status, "X-Filter-Hashes", "Number of hash functions")
            .header(status, "X-Filter-Let-Through", "Numbers of the unsold items in the filter, separated by commas")
            .header(status, "X-Filter-Ledger-Id", "The id of the last ledger entry in the filter")
    });
    described.problems([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id = request.params.parse("id")?;
    let [] = query::read(request.query(), [])?;
    let sale = context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    Ok(filter_answer(&sale.filter(), &request.head.headers))
}

/// Answers with the filter, or with 304 if the caller has it.
fn filter_answer(filter: &SoldFilter, request: &HeaderMap) -> Answer {
    // A recovery may put a ledger in place that says something else with the same last id.
    let tag = format!("\"{}-{}\"", filter.as_of(), filter.sold_items());
    let (status, bytes) = match etag::is_known(request, &tag) {
        true => (StatusCode::NOT_MODIFIED, Vec::new()),
        false => (StatusCode::OK, filter.to_bytes()),
    };
    let mut answer = answer::of_type("application/octet-stream", status, bytes);
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

    fn answer_to(if_none_match: Option<&str>) -> Answer {
        let mut request = HeaderMap::new();
        request.extend(if_none_match.map(|value| (IF_NONE_MATCH, value.parse().unwrap())));
        let as_of: LedgerId = "1763632800000-7".parse().unwrap();
        let left: Vec<u32> = (0..10_000).map(|index| u32::from(index % 2 == 0)).collect();
        filter_answer(&SoldFilter::new(&left, as_of), &request)
    }

    #[tokio::test]
    async fn the_headers_have_the_parameters_of_the_filter() {
        let answer = answer_to(None);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (header("etag"), header("x-filter-ledger-id")),
            ("\"1763632800000-7-5000\"".into(), "1763632800000-7".into())
        );
        assert!(header("x-filter-bits").parse::<u64>().unwrap() > 100_000);
        assert!(header("x-filter-hashes").parse::<u32>().unwrap() > 5);
        let let_through = header("x-filter-let-through");
        assert!(let_through.is_empty() || let_through.split(',').all(|number| number.parse::<u32>().is_ok()));
        assert!(answer.into_body().collect().await.unwrap().to_bytes().len() > 10_000);
    }

    #[tokio::test]
    async fn a_filter_that_the_caller_has_is_not_sent_again() {
        for known in ["\"1763632800000-7-5000\"", "W/\"1763632800000-7-5000\"", "\"x\", \"1763632800000-7-5000\"", "*"]
        {
            let answer = answer_to(Some(known));
            assert_eq!(answer.status(), 304, "{known}");
            assert!(answer.headers().contains_key(ETAG));
            assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
        assert_eq!(answer_to(Some("\"1763632800000-7-4999\"")).status(), 200);
    }
}
