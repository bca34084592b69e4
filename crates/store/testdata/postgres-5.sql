-- A database of schema 5.
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.alarm (
    id bigint NOT NULL,
    site text NOT NULL COLLATE pg_catalog."C",
    device text NOT NULL COLLATE pg_catalog."C",
    code text NOT NULL COLLATE pg_catalog."C",
    severity text NOT NULL,
    text text NOT NULL,
    raised bigint NOT NULL,
    cleared bigint,
    acknowledged_by text,
    acknowledged_at bigint
);
ALTER TABLE public.alarm ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alarm_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.alias (
    dialect text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    means text NOT NULL
);
CREATE TABLE public.audit (
    id bigint NOT NULL,
    at bigint NOT NULL,
    principal text NOT NULL COLLATE pg_catalog."C",
    door text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL
);
ALTER TABLE public.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.billed (
    session text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    plugged bigint NOT NULL,
    user_id text COLLATE pg_catalog."C",
    card text COLLATE pg_catalog."C",
    energy_wh bigint NOT NULL,
    charging_ms bigint NOT NULL,
    sun_wh bigint NOT NULL,
    battery_wh bigint NOT NULL,
    grid_wh bigint NOT NULL,
    cost bigint,
    currency text COLLATE pg_catalog."C"
);
CREATE TABLE public.block (
    key bigint NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    count bigint NOT NULL,
    times bytea NOT NULL,
    readings bytea NOT NULL,
    clock bigint
);
ALTER TABLE ONLY public.block ALTER COLUMN times SET STORAGE EXTERNAL;
ALTER TABLE ONLY public.block ALTER COLUMN readings SET STORAGE EXTERNAL;
CREATE TABLE public.charge_record (
    number bigint NOT NULL,
    operator text NOT NULL COLLATE pg_catalog."C",
    charge text NOT NULL COLLATE pg_catalog."C",
    port text NOT NULL COLLATE pg_catalog."C",
    started bigint NOT NULL,
    ended bigint NOT NULL,
    received bigint NOT NULL,
    orphan bigint NOT NULL,
    personal bigint NOT NULL,
    energy bigint NOT NULL,
    energy_cost bigint NOT NULL,
    service_cost bigint NOT NULL,
    body text NOT NULL
);
ALTER TABLE public.charge_record ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.charge_record_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.clock (
    id bigint NOT NULL,
    proof bigint NOT NULL,
    times bytea NOT NULL
);
ALTER TABLE ONLY public.clock ALTER COLUMN times SET STORAGE EXTERNAL;
CREATE TABLE public.control_memory (
    site text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    bytes bytea NOT NULL
);
CREATE TABLE public.day (
    key bigint NOT NULL,
    count bigint NOT NULL,
    sum bigint NOT NULL,
    lowest bigint NOT NULL,
    highest bigint NOT NULL,
    last bigint NOT NULL,
    last_at_ms bigint NOT NULL,
    first bigint,
    first_at_ms bigint
);
CREATE TABLE public.device (
    site text NOT NULL COLLATE pg_catalog."C",
    device text NOT NULL COLLATE pg_catalog."C",
    seen_at bigint NOT NULL,
    identity text
);
CREATE TABLE public.document (
    site text NOT NULL COLLATE pg_catalog."C",
    device text NOT NULL COLLATE pg_catalog."C",
    dialect text NOT NULL,
    at bigint NOT NULL,
    json text NOT NULL
);
CREATE TABLE public.entity (
    number bigint NOT NULL,
    operator text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    parent text COLLATE pg_catalog."C"
);
CREATE TABLE public.entity_body (
    number bigint NOT NULL,
    body text NOT NULL
);
ALTER TABLE public.entity ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.entity_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.epoch (
    site text NOT NULL COLLATE pg_catalog."C",
    newest bigint NOT NULL
);
CREATE TABLE public.failure (
    number bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    operator text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);
ALTER TABLE public.failure ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.failure_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.hot (
    id bigint NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE public.journal (
    number bigint NOT NULL,
    operator text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    samples bigint NOT NULL,
    repairs text COLLATE pg_catalog."C",
    body bytea NOT NULL
);
ALTER TABLE ONLY public.journal ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE public.journal_done (
    number bigint NOT NULL
);
CREATE TABLE public.journal_paged (
    operator text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL
);
CREATE TABLE public.latest_sample (
    number bigint NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY public.latest_sample ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE public.ledger (
    site text NOT NULL COLLATE pg_catalog."C",
    start bigint NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.minute_page (
    key bigint NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY public.minute_page ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE public.noun (
    kind text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);
CREATE TABLE public.opened (
    number bigint NOT NULL
);
CREATE TABLE public.parcel (
    number bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    at bigint NOT NULL,
    body text NOT NULL
);
ALTER TABLE public.parcel ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.parcel_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.price (
    provider text NOT NULL COLLATE pg_catalog."C",
    starts bigint NOT NULL,
    ends bigint NOT NULL,
    per_kwh bigint NOT NULL
);
CREATE TABLE public.quarter_page (
    key bigint NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY public.quarter_page ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE public.report_quality (
    operator text NOT NULL COLLATE pg_catalog."C",
    day text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);
CREATE TABLE public.sample_page (
    number bigint NOT NULL,
    operator text NOT NULL COLLATE pg_catalog."C",
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    first_port text NOT NULL COLLATE pg_catalog."C",
    last_port text NOT NULL COLLATE pg_catalog."C",
    count bigint NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY public.sample_page ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE public.sample_page ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sample_page_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.schema_version (
    version bigint NOT NULL
);
CREATE TABLE public.secret (
    kind text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL,
    bytes bytea NOT NULL,
    expires bigint
);
CREATE TABLE public.series (
    id bigint NOT NULL,
    subject text NOT NULL COLLATE pg_catalog."C",
    quantity text NOT NULL COLLATE pg_catalog."C",
    thinned_ms bigint DEFAULT 0 NOT NULL,
    coarse_ms bigint DEFAULT 0 NOT NULL
);
CREATE TABLE public.session (
    id text NOT NULL COLLATE pg_catalog."C",
    site text NOT NULL COLLATE pg_catalog."C",
    evse text NOT NULL COLLATE pg_catalog."C",
    vehicle text COLLATE pg_catalog."C",
    plugged bigint NOT NULL,
    unplugged bigint,
    revision bigint NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.setpoint (
    site text NOT NULL COLLATE pg_catalog."C",
    evse text NOT NULL COLLATE pg_catalog."C",
    current_ma bigint
);
CREATE TABLE public.warning (
    number bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    operator text NOT NULL COLLATE pg_catalog."C",
    cleared bigint,
    body text NOT NULL
);
ALTER TABLE public.warning ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.warning_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.wish (
    site text NOT NULL COLLATE pg_catalog."C",
    evse text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);
INSERT INTO public.alarm OVERRIDING SYSTEM VALUE VALUES (1, 'home', '', 'limit_exceeded', 'error', 'too much', 1700000000000, NULL, NULL, NULL);
INSERT INTO public.alias VALUES ('goe', '050001', 'evse:left');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (1, 1700000000000, 'admin', 'native', 'sign in', 'done');
INSERT INTO public.billed VALUES ('s1', 1, 1700000000000, 'zoe', 'tag', 2500, 3600000, 2000, 0, 500, 155000, 'EUR');
INSERT INTO public.block VALUES (70419476736, 1700000000000, 1700002399000, 2400, '\x', '\x01e01200010070636f2103000b58020401015f090010610200e083ffff0ff00f0000000100000000d77374de79e7b3575e79e59d77de79e995575ef9e1c1010700', 228170137614887704);
INSERT INTO public.block VALUES (70419479136, 1700002400000, 1700004799000, 2400, '\x', '\x01e01200010070636f2103000b58020401015f090010610200e083ffff0ff00f00000001200300004ed955b3575e79e59d77def9ec95575e79e79d073df7185400', 228170459803746093);
INSERT INTO public.charge_record OVERRIDING SYSTEM VALUE VALUES (1, 'MA005DBW1', 'C0', 'P1', 1699990000000, 1699999000000, 1700000000000, 0, 1, 1500000, 900000, 100000, '{"charge":"C0","port":"P1","start":1699990000000,"end":1699999000000,"energy":1500000,"energy_cost":900000,"service_cost":100000,"start_kind":1,"stop_reason":9,"person":"digest"}');
INSERT INTO public.clock VALUES (228170137614887704, -2611605791333662115, '\x01e01280a0abfef96200d00f');
INSERT INTO public.clock VALUES (228170459803746093, 7213963556410463240, '\x01e012809cd080fa6200d00f');
INSERT INTO public.control_memory VALUES ('home', 1, '\x0102');
INSERT INTO public.day VALUES (70419396736, 4800, 2380200, 0, 999, 593, 1700004799000, NULL, NULL);
INSERT INTO public.device VALUES ('home', 'meter', 1700000000000, 'maker model 3.1');
INSERT INTO public.entity OVERRIDING SYSTEM VALUE VALUES (1, 'MA005DBW1', 'station', 'S1', NULL);
INSERT INTO public.entity OVERRIDING SYSTEM VALUE VALUES (2, 'MA005DBW1', 'equipment', 'E1', 'S1');
INSERT INTO public.entity OVERRIDING SYSTEM VALUE VALUES (3, 'MA005DBW1', 'port', 'P1', 'E1');
INSERT INTO public.entity_body VALUES (1, '{"fields":{"rated_power":7000000,"standard":"GB/T 2099.1"},"told":1700000000000}');
INSERT INTO public.entity_body VALUES (2, '{"fields":{"rated_power":7000000,"standard":"GB/T 2099.1"},"told":1700000000000}');
INSERT INTO public.entity_body VALUES (3, '{"fields":{"rated_power":7000000,"standard":"GB/T 2099.1"},"told":1700000000000}');
INSERT INTO public.epoch VALUES ('home', 1);
INSERT INTO public.failure OVERRIDING SYSTEM VALUE VALUES (1, 'f1', 'MA005DBW1', 'open', '{"id":"f1","operator":"MA005DBW1","port":"P9","body":"{}","path":"/report","first":1700000000000,"last":1700000000000,"count":1,"state":"open","status":404,"message":"cellId: unknown port"}');
INSERT INTO public.hot VALUES (3, '\x010280ccba81bd310a');
INSERT INTO public.journal VALUES (1, 'MA005DBW1', 1700003600000, 12, NULL, '\x010c02503102453180a0abfef96202bd19000400d59402d40f00024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004d804e59402d40f24024331010f7369676e616c5f737472656e67746802323102503100c0cf240612bd190004b009f59402d40f44024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004880e859502d40f64024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004e012959502d40f8401024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004b817a59502d40f15024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004901cb59502d40fc401024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004e820e61bd40fe401024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004c025d59502d40f8402024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004982ae59502d40fa402024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004f02ef59502d40f25024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004c833859602d40fe402024331010f7369676e616c5f737472656e677468023231');
INSERT INTO public.journal VALUES (2, 'MA005DBW1', 1700004500000, 3, NULL, '\x010302503102453180dae281fa6202bd190004a038959602d40f8403024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004f83ca59602d40fa403024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004d041b59602d40fc403024331010f7369676e616c5f737472656e677468023231');
INSERT INTO public.journal_done VALUES (1);
INSERT INTO public.journal_paged VALUES ('MA005DBW1', 1);
INSERT INTO public.latest_sample VALUES (3, '\x0101025031024531c08abe81fa6202bd190004c833859602d40fe402024331010f7369676e616c5f737472656e677468023231');
INSERT INTO public.noun VALUES ('user', 'admin', '{"id":"admin","name":"The \"admin\"","role":"admin"}');
INSERT INTO public.noun VALUES ('user', 'zoe', '{"id":"zoe","name":"Zoë","role":"viewer"}');
INSERT INTO public.opened VALUES (4);
INSERT INTO public.price VALUES ('spot', 1700000000000, 1700000900000, -12000);
INSERT INTO public.quarter_page VALUES (70419396736, '\x0107b00100c801020000200320032003200320036400000100010000000005b49d0403000000f48c06481b06284a06f07c065842061ae500ea0a020000310132013101320132012c0100020000bb0200002c0158028403c300820302f4011f0364009001bc0200008b01000300350c000000000000000000000000000000000000f08a0c0300000000350c00350c00350c00350c00350ca08601');
INSERT INTO public.report_quality VALUES ('MA005DBW1', '2023-11-15', '{"kept":12,"failed":0,"repaired":0,"lost":0,"late":0,"records":0,"warnings":0,"told":0,"not_told":0,"findings":{}}');
INSERT INTO public.sample_page OVERRIDING SYSTEM VALUE VALUES (1, 'MA005DBW1', 1700000000000, 1700003300000, 'P1', 'P1', 12, '\x020c010002503105010118000080d095ffbc310a020c00e0a7120001fe0f010002453105010c00000008020c04040001040005010112000006010cfa32000005010c0000000005010c04000005010c00000012020cc09486d301a08d0600041032547698ba08010ca0cb98010000000a020c00a09c010001fe0f0000010002433105010c00000001000f7369676e616c5f737472656e67746801010005010c000000010002323105010c000000');
INSERT INTO public.schema_version VALUES (5);
INSERT INTO public.secret VALUES ('password', 'admin', 'admin', '\x0100c8', NULL);
INSERT INTO public.series VALUES (1, 'device:meter', 'power', 0, 0);
INSERT INTO public.session VALUES ('s1', 'home', 'left', NULL, 1700000000000, NULL, 7, '{"id":"s1","site":"home","evse":"left","plugged":1700000000000,"unplugged":null,"vehicle":null,"transactions":[{"number":1,"authorisation":{"kind":"rfid","user":"zoe","card":"tag"},"started":1700000000000,"stopped":null,"meter_start":1000,"meter_stop":3500,"energy":2500,"per_phase":{"l1":2500,"l2":0,"l3":0},"one_phase":2500,"three_phase":0,"origin":{"sun":2000,"battery":0,"grid":500},"charging":3600000,"peak":3600,"cost":{"amount":155000,"currency":"EUR"},"estimated":false}],"revision":7}');
INSERT INTO public.setpoint VALUES ('home', 'left', 8000);
INSERT INTO public.warning OVERRIDING SYSTEM VALUE VALUES (1, 'w1', 'MA005DBW1', NULL, '{"id":"w1","operator":"MA005DBW1","port":"P1","rule":"smoke","level":"high","reason":"smoke","raised":1700000000000,"told":null,"cleared":null,"escalated":false,"samples":[{"port":"P1","equipment":"E1","at":1700003300000,"state":"charging","error":0,"voltage":222400000,"current":1250000,"energy":220000,"duration_s":3300,"charge":"C1","smoke":2,"more":{"signal_strength":"21"}}]}');
INSERT INTO public.wish VALUES ('home', 'left', '{"mode":"solar","force":"neutral","current":13000,"phases":null}');
SELECT pg_catalog.setval('public.alarm_id_seq', 1, true);
SELECT pg_catalog.setval('public.audit_id_seq', 1, true);
SELECT pg_catalog.setval('public.charge_record_number_seq', 1, true);
SELECT pg_catalog.setval('public.entity_number_seq', 3, true);
SELECT pg_catalog.setval('public.failure_number_seq', 1, true);
SELECT pg_catalog.setval('public.parcel_number_seq', 1, false);
SELECT pg_catalog.setval('public.sample_page_number_seq', 1, true);
SELECT pg_catalog.setval('public.warning_number_seq', 1, true);
ALTER TABLE ONLY public.alarm
    ADD CONSTRAINT alarm_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.alarm
    ADD CONSTRAINT alarm_site_device_code_raised_key UNIQUE (site, device, code, raised);
ALTER TABLE ONLY public.alias
    ADD CONSTRAINT alias_pkey PRIMARY KEY (dialect, name);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billed
    ADD CONSTRAINT billed_pkey PRIMARY KEY (session, number);
ALTER TABLE ONLY public.block
    ADD CONSTRAINT block_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.charge_record
    ADD CONSTRAINT charge_record_operator_charge_key UNIQUE (operator, charge);
ALTER TABLE ONLY public.charge_record
    ADD CONSTRAINT charge_record_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.clock
    ADD CONSTRAINT clock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.control_memory
    ADD CONSTRAINT control_memory_pkey PRIMARY KEY (site);
ALTER TABLE ONLY public.day
    ADD CONSTRAINT day_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (site, device);
ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_pkey PRIMARY KEY (site, device);
ALTER TABLE ONLY public.entity_body
    ADD CONSTRAINT entity_body_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.entity
    ADD CONSTRAINT entity_operator_kind_id_key UNIQUE (operator, kind, id);
ALTER TABLE ONLY public.entity
    ADD CONSTRAINT entity_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.epoch
    ADD CONSTRAINT epoch_pkey PRIMARY KEY (site);
ALTER TABLE ONLY public.failure
    ADD CONSTRAINT failure_id_key UNIQUE (id);
ALTER TABLE ONLY public.failure
    ADD CONSTRAINT failure_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.hot
    ADD CONSTRAINT hot_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.journal_paged
    ADD CONSTRAINT journal_paged_pkey PRIMARY KEY (operator);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.latest_sample
    ADD CONSTRAINT latest_sample_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (site, start);
ALTER TABLE ONLY public.minute_page
    ADD CONSTRAINT minute_page_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.noun
    ADD CONSTRAINT noun_pkey PRIMARY KEY (kind, id);
ALTER TABLE ONLY public.parcel
    ADD CONSTRAINT parcel_id_key UNIQUE (id);
ALTER TABLE ONLY public.parcel
    ADD CONSTRAINT parcel_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.price
    ADD CONSTRAINT price_pkey PRIMARY KEY (provider, starts);
ALTER TABLE ONLY public.quarter_page
    ADD CONSTRAINT quarter_page_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.report_quality
    ADD CONSTRAINT report_quality_pkey PRIMARY KEY (operator, day);
ALTER TABLE ONLY public.sample_page
    ADD CONSTRAINT sample_page_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.secret
    ADD CONSTRAINT secret_pkey PRIMARY KEY (kind, name);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_subject_quantity_key UNIQUE (subject, quantity);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.setpoint
    ADD CONSTRAINT setpoint_pkey PRIMARY KEY (site, evse);
ALTER TABLE ONLY public.warning
    ADD CONSTRAINT warning_id_key UNIQUE (id);
ALTER TABLE ONLY public.warning
    ADD CONSTRAINT warning_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.wish
    ADD CONSTRAINT wish_pkey PRIMARY KEY (site, evse);
CREATE INDEX alarm_newest ON public.alarm USING btree (site, raised);
CREATE INDEX alarm_open ON public.alarm USING btree (site, raised) WHERE (cleared IS NULL);
CREATE INDEX audit_by_principal ON public.audit USING btree (principal, id);
CREATE INDEX audit_by_time ON public.audit USING btree (at);
CREATE INDEX billed_to_card ON public.billed USING btree (card, plugged) WHERE (card IS NOT NULL);
CREATE INDEX billed_to_user ON public.billed USING btree (user_id, plugged) WHERE (user_id IS NOT NULL);
CREATE INDEX charge_record_of_operator ON public.charge_record USING btree (operator, number);
CREATE INDEX charge_record_of_operator_since ON public.charge_record USING btree (operator, started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_of_port ON public.charge_record USING btree (operator, port, number);
CREATE INDEX charge_record_orphan ON public.charge_record USING btree (operator, port) WHERE (orphan = 1);
CREATE INDEX charge_record_personal ON public.charge_record USING btree (ended) WHERE (personal = 1);
CREATE INDEX charge_record_since ON public.charge_record USING btree (started, energy, energy_cost, service_cost);
CREATE INDEX failure_by_state ON public.failure USING btree (state, number);
CREATE INDEX failure_of_operator ON public.failure USING btree (operator, number);
CREATE INDEX journal_of_operator ON public.journal USING btree (operator, number);
CREATE INDEX parcel_by_state ON public.parcel USING btree (state, number);
CREATE INDEX parcel_waiting ON public.parcel USING btree (target, number) WHERE (state = 'waiting'::text);
CREATE INDEX report_quality_by_day ON public.report_quality USING btree (day, operator);
CREATE INDEX sample_page_of_operator ON public.sample_page USING btree (operator, last_at, first_at, first_port, last_port);
CREATE INDEX sample_page_oldest ON public.sample_page USING btree (last_at);
CREATE INDEX session_newest ON public.session USING btree (plugged, id);
CREATE INDEX session_of_site ON public.session USING btree (site, plugged, id);
CREATE INDEX session_open ON public.session USING btree (site) WHERE (unplugged IS NULL);
CREATE INDEX warning_of_operator ON public.warning USING btree (operator, number);
CREATE INDEX warning_open ON public.warning USING btree (number) WHERE (cleared IS NULL);
CREATE TABLE public.upload (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform TEXT COLLATE pg_catalog."C" NOT NULL,
    lane     TEXT COLLATE pg_catalog."C" NOT NULL,
    at       BIGINT NOT NULL,
    problem  TEXT,
    body     TEXT NOT NULL
);
CREATE INDEX upload_waiting ON public.upload (platform, lane, number) WHERE problem IS NULL;
CREATE INDEX upload_problem ON public.upload (platform, number) WHERE problem IS NOT NULL;
CREATE TABLE public.upload_state (
    platform TEXT COLLATE pg_catalog."C" PRIMARY KEY,
    note     TEXT,
    dropped  BIGINT NOT NULL,
    refused  BIGINT NOT NULL
);
CREATE TABLE public.upload_told (
    platform TEXT COLLATE pg_catalog."C" NOT NULL,
    kind     TEXT COLLATE pg_catalog."C" NOT NULL,
    id       TEXT COLLATE pg_catalog."C" NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (platform, kind, id)
);
INSERT INTO public.upload (number, platform, lane, at, problem, body) OVERRIDING SYSTEM VALUE VALUES (1,'city','sample',1700000000000,NULL,'{"kind":"sample","sample":{"port":"P1","equipment":"E1","at":1700000000000,"state":"idle"}}');
INSERT INTO public.upload_state VALUES('city','noted',2,1);
INSERT INTO public.upload_told VALUES('city','station','ST1','{"kind":"station","id":"ST1","parent":null,"fields":{"name":"Home"},"told":0}');
SELECT pg_catalog.setval('public.upload_number_seq', 1, true);
