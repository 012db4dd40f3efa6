-- One tenant's report, as `tidegate report TENANT` makes it, from ClickHouse.
--
--   clickhouse-client --param_tenant=11111111-1111-4111-8111-111111111111 \
--     --param_since='2026-10-01 00:00:00' --param_until='2026-11-01 00:00:00' \
--     --queries-file clickhouse.sql
--
-- Times are UTC; `since` is in the report, `until` is not. README.md says what the columns hold.

WITH

-- 1. Audit lines. The table is that of OpenTelemetry's ClickHouse exporter; another one serves as well
--    if it gives its lines the name Body. The table's own time only keeps it from being read whole: a
--    day to each side, since that clock need not be the gateway's. (Old tables have no TimestampTime:
--    Timestamp.)
lines AS (
    SELECT Body
    FROM otel_logs
    WHERE TimestampTime >= {since:DateTime64(9, 'UTC')} - INTERVAL 1 DAY
      AND TimestampTime < {until:DateTime64(9, 'UTC')} + INTERVAL 1 DAY
      AND Body LIKE '%"decision_id"%'
),

-- 2. What the report needs of each. Records of something else than an exchange have an `event`.
members AS (
    SELECT
        Body,
        parseDateTime64BestEffortOrNull(JSONExtractString(Body, 'time'), 9, 'UTC') AS ended,
        toUUIDOrNull(JSONExtractString(Body, 'decision_id')) AS decision_id,
        JSONExtractString(Body, 'decision') AS decision,
        JSONExtract(Body, 'reason', 'Nullable(String)') AS reason,
        lower(JSONExtract(Body, 'creator_tenant', 'Nullable(String)')) AS creator,
        lower(JSONExtract(Body, 'sign_in_tenant', 'Nullable(String)')) AS sign_in,
        JSONExtract(Body, 'connector', 'Nullable(String)') AS connector,
        lower(JSONExtract(Body, 'app_id', 'Nullable(String)')) AS app_id,
        lower(JSONExtract(Body, 'user_object_id', 'Nullable(String)')) AS account,
        ended IS NOT NULL AND decision_id IS NOT NULL AND reason IS NOT NULL
            AND decision IN ('allow', 'would_block', 'block', 'pass_non_entra', 'error')
            AND JSONHas(Body, 'creator_tenant') AND JSONHas(Body, 'sign_in_tenant') AS is_read
    FROM lines
    WHERE JSONExtractString(Body, 'event') = ''
),

-- 3. Each exchange once, in however many files or batches it was shipped.
once AS (
    SELECT *
    FROM members
    WHERE NOT is_read
       OR (ended >= {since:DateTime64(9, 'UTC')} AND ended < {until:DateTime64(9, 'UTC')})
    LIMIT 1 BY if(is_read, toString(decision_id), Body)
),

-- 4. As the tenant sees it: inbound if it is the one signed in to, outbound if it created the
--    connection; and who is at the other end, if anybody knows.
seen AS (
    SELECT
        *,
        ifNull(creator = lower({tenant:String}), 0) AS is_creator,
        ifNull(sign_in = lower({tenant:String}), 0) AS is_sign_in,
        if(is_read, decision, '') AS ending,
        if(is_creator, 'outbound', 'inbound') AS way,
        if(is_creator, sign_in, creator) AS other
    FROM once
),

-- 5. Where it counts. Each exchange is in exactly one of these; one in a row is in the totals and in
--    its day as well.
counted AS (
    SELECT
        *,
        arrayJoin(multiIf(
            NOT is_read, ['unreadable'],
            is_creator AND is_sign_in, ['same_tenant'],
            NOT is_creator AND NOT is_sign_in, ['other_tenants'],
            other IS NULL AND ending = 'error', ['errors'],
            other IS NULL AND ending = 'allow' AND reason = 'no_token', ['no_token'],
            ['row', 'total', 'day']
        )) AS part
    FROM seen
)

-- 6. Counts.
SELECT
    part,
    if(part IN ('row', 'total', 'day'), way, NULL) AS direction,
    if(part = 'row', other, NULL) AS external_tenant,
    if(part = 'row', counted.connector, NULL) AS connector,
    if(part = 'row', counted.app_id, NULL) AS app_id,
    if(part = 'day', toDate(ended, 'UTC'), NULL) AS day,
    count() AS exchanges,
    countIf(ending = 'allow') AS allowed,
    countIf(ending = 'would_block') AS would_block,
    countIf(ending = 'block') AS blocked,
    countIf(ending = 'pass_non_entra') AS passed_non_entra,
    countIf(ending = 'error') AS errors,
    if(part IN ('row', 'total'), uniqExact(other), NULL) AS tenants,
    if(part IN ('row', 'total'), uniqExact(account), NULL) AS users,
    min(ended) AS first_seen,
    max(ended) AS last_seen,
    if(part = 'row', arrayStringConcat(
        arrayMap(
            (word, times) -> concat(word, '=', toString(times)),
            mapKeys(sumMap(map(assumeNotNull(reason), 1)) AS reasons_of_row),
            mapValues(reasons_of_row)),
        ' '), NULL) AS reasons
FROM counted
GROUP BY part, direction, external_tenant, connector, app_id, day
ORDER BY
    indexOf(['row', 'total', 'day'], part) = 0, indexOf(['row', 'total', 'day'], part),
    part, direction, day, exchanges DESC, external_tenant, connector, app_id;
