-- One tenant's report, as `tidegate report TENANT` makes it, from JSON lines with DuckDB: on a laptop,
-- over files of any gateways, compressed with gzip or not.
--
--   duckdb -csv -cmd "SET VARIABLE tenant = '11111111-1111-4111-8111-111111111111';
--     SET VARIABLE since = '2026-10-01'; SET VARIABLE until = '2026-11-01';
--     SET VARIABLE files = ['gateway-*/audit.jsonl*']" -f duckdb.sql
--
-- Times are UTC; `since` is in the report, `until` is not. README.md says what the columns hold.

WITH

-- 1. Audit lines, each as a text: one that was cut short spoils no other. (0x01 stands in none.)
lines AS (
    SELECT Body
    FROM read_csv(
        getvariable('files'), columns = {'Body': 'VARCHAR'}, header = false, auto_detect = false,
        delim = chr(1), quote = '', escape = '', max_line_size = 16777216)
    WHERE contains(Body, '"decision_id"')
),

-- 2. What the report needs of each. Records of something else than an exchange have an `event`.
parsed AS (
    SELECT Body, TRY_CAST(Body AS JSON) AS record FROM lines
),
members AS (
    SELECT
        Body,
        TRY_CAST(record ->> 'time' AS TIMESTAMP_NS) AS ended,
        TRY_CAST(record ->> 'decision_id' AS UUID) AS decision_id,
        record ->> 'decision' AS decision,
        record ->> 'reason' AS reason,
        lower(record ->> 'creator_tenant') AS creator,
        lower(record ->> 'sign_in_tenant') AS sign_in,
        record ->> 'connector' AS connector,
        lower(record ->> 'app_id') AS app_id,
        lower(record ->> 'user_object_id') AS account,
        coalesce(
            ended IS NOT NULL AND decision_id IS NOT NULL AND reason IS NOT NULL
            AND decision IN ('allow', 'would_block', 'block', 'pass_non_entra', 'error')
            AND json_exists(record, '$.creator_tenant')
            AND json_exists(record, '$.sign_in_tenant'), false) AS is_read
    FROM parsed
    WHERE record ->> 'event' IS NULL
),

-- 3. Each exchange once, in however many files it stands.
once AS (
    SELECT DISTINCT ON (CASE WHEN is_read THEN decision_id::VARCHAR ELSE Body END) *
    FROM members
    WHERE NOT is_read
       OR (ended >= getvariable('since')::TIMESTAMP_NS AND ended < getvariable('until')::TIMESTAMP_NS)
),

-- 4. As the tenant sees it: inbound if it is the one signed in to, outbound if it created the
--    connection; and who is at the other end, if anybody knows.
seen AS (
    SELECT
        *,
        creator IS NOT DISTINCT FROM lower(getvariable('tenant')) AS is_creator,
        sign_in IS NOT DISTINCT FROM lower(getvariable('tenant')) AS is_sign_in,
        CASE WHEN is_read THEN decision END AS ending,
        CASE WHEN is_creator THEN 'outbound' ELSE 'inbound' END AS way,
        CASE WHEN is_creator THEN sign_in ELSE creator END AS other
    FROM once
),

-- 5. Where it counts. Each exchange is in exactly one of these; one in a row is in the totals and in
--    its day as well.
counted AS (
    SELECT
        *,
        unnest(CASE
            WHEN NOT is_read THEN ['unreadable']
            WHEN is_creator AND is_sign_in THEN ['same_tenant']
            WHEN NOT is_creator AND NOT is_sign_in THEN ['other_tenants']
            WHEN other IS NULL AND ending = 'error' THEN ['errors']
            WHEN other IS NULL AND ending = 'allow' AND reason = 'no_token' THEN ['no_token']
            ELSE ['row', 'total', 'day']
        END) AS part
    FROM seen
),

-- 6. By what it is counted there.
keyed AS (
    SELECT
        part,
        CASE WHEN part IN ('row', 'total', 'day') THEN way END AS direction,
        CASE WHEN part = 'row' THEN other END AS external_tenant,
        CASE WHEN part = 'row' THEN connector END AS connector,
        CASE WHEN part = 'row' THEN app_id END AS app_id,
        CASE WHEN part = 'day' THEN ended::DATE END AS day,
        ending, reason, other, account, ended
    FROM counted
)

-- 7. Counts.
SELECT
    part, direction, external_tenant, connector, app_id, day,
    count(*) AS exchanges,
    count(*) FILTER (ending = 'allow') AS allowed,
    count(*) FILTER (ending = 'would_block') AS would_block,
    count(*) FILTER (ending = 'block') AS blocked,
    count(*) FILTER (ending = 'pass_non_entra') AS passed_non_entra,
    count(*) FILTER (ending = 'error') AS errors,
    CASE WHEN part IN ('row', 'total') THEN count(DISTINCT other) END AS tenants,
    CASE WHEN part IN ('row', 'total') THEN count(DISTINCT account) END AS users,
    min(ended) AS first_seen,
    max(ended) AS last_seen,
    CASE WHEN part = 'row' THEN array_to_string(list_transform(
        map_entries(histogram(reason)),
        lambda entry: concat(entry.key, '=', entry.value)), ' ') END AS reasons
FROM keyed
GROUP BY part, direction, external_tenant, connector, app_id, day
ORDER BY
    coalesce(list_position(['row', 'total', 'day'], part), 4),
    part, direction, day, exchanges DESC, external_tenant, connector, app_id;
