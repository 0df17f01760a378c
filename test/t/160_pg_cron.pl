# Upkeep by pg_cron, as the manual has it: in both of the ways in which pg_cron
# runs a job, by a role that owns a log and is no superuser.
#
# It begins its jobs with the minute, so this takes up to one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $share = `pg_config --sharedir`;
chomp $share;
plan skip_all => 'pg_cron is not installed' unless -e "$share/extension/pg_cron.control";

my ($command) = slurp_file('doc/operations.md') =~ /(SELECT cron\.schedule\(.*?\))`/s;
like($command, qr/eventlog\.maintain/, 'the manual says how');
$command =~ s/\s+/ /g;
$command =~ s/'\d+ \* \* \* \*'/'* * * * *'/ or die 'and when';

my %nodes;
foreach my $workers ('off', 'on')
{
	my $node = PostgreSQL::Test::Cluster->new("workers_$workers");

	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'postgres'\n"
		  . "cron.host = '" . $node->host . "'\ncron.use_background_workers = $workers\nmax_worker_processes = 20");
	$node->start;
	$node->safe_psql('postgres', <<'END');
CREATE EXTENSION pg_cron; CREATE EXTENSION eventlog;
CREATE ROLE app LOGIN; CREATE SCHEMA app AUTHORIZATION app; GRANT USAGE ON SCHEMA cron TO app;
SELECT eventlog.create_log('others');
SET ROLE app;
SELECT eventlog.create_log('app.log', '1 month', retention => '20 years');
INSERT INTO app.log (event_type, occurred_at) SELECT 'old', timestamptz '2020-01-01Z' + g * interval '1 month' FROM generate_series(0, 9) g;
INSERT INTO app.log (event_type, occurred_at) VALUES ('expired', '2001-01-01Z');
CREATE TABLE app.expired PARTITION OF app.log FOR VALUES FROM ('2000-01-01Z') TO ('2000-02-01Z');
END
	$node->safe_psql('postgres', "SET ROLE app; $command");
	$nodes{$workers} = $node;
}
foreach my $workers (sort keys %nodes)
{
	my $node = $nodes{$workers};

	ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM cron.job_run_details WHERE end_time IS NOT NULL'),
		"workers $workers: the job was run");
	is($node->safe_psql('postgres', "SELECT DISTINCT command, username, status FROM cron.job_run_details WHERE end_time IS NOT NULL"),
		'CALL eventlog.maintain()|app|succeeded', 'as its owner, and succeeded');
	is($node->safe_psql('postgres', "SELECT problems FROM eventlog.logs WHERE log = 'app.log'::regclass"), '{}', 'all that upkeep does is done');
	is($node->safe_psql('postgres', "SELECT count(DISTINCT tableoid), count(*) FROM app.log"), '10|10', 'in partitions of their own');
	is($node->safe_psql('postgres', "SELECT to_regclass('app.expired') IS NULL"), 't', 'or dropped');
}

done_testing();
