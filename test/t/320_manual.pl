# The manual, tried: each block of SQL is run in the order of its page, each
# configuration is checked by the notifier, and each table that lists functions,
# arguments, settings, columns, metrics or options is compared with what there is.
#
# A block that cannot be run stands below a comment <!-- not run: REASON -->.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use File::Basename qw(basename);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @pages = ('README.md', 'CONTRIBUTING.md', glob('doc/*.md'));

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# blocks: the fenced blocks of a page, as [language, text, line].
sub blocks
{
	my ($page) = @_;
	my @blocks;
	my ($block, $skip);
	my $line = 0;

	foreach (split /\n/, slurp_file($page))
	{
		$line++;
		if (/^```(\w*)$/)
		{
			if ($block)
			{
				push @blocks, $block unless $skip;
				($block, $skip) = (undef, 0);
			}
			else
			{
				$block = [ $1, '', $line ];
			}
		}
		elsif ($block) { $block->[1] .= "$_\n" }
		elsif (/^<!-- not run: .+ -->$/) { $skip = 1 }
		elsif (/\S/) { $skip = 0 }
	}
	die "$page: a block does not end\n" if $block;
	return @blocks;
}

# rows: the cells of a page's tables, by the table's first heading.
sub rows
{
	my ($page, $heading) = @_;
	my ($table) = slurp_file($page) =~ /^\| \Q$heading\E \|.*?\n\|[ -|]+\n((?:\|.*\n)+)/m
	  or die "$page has no table \"$heading\"\n";

	return map { [ map { s/^\s+|\s+$//gr } split /\|/, s/^\||\|$//gr ] } split /\n/, $table;
}

# code: what a cell has in backticks.
sub code
{
	return $_[0] =~ /`([^`]+)`/g;
}

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

#
# What can be run
#

foreach my $page (@pages)
{
	my @sql = grep { $_->[0] eq 'sql' } blocks($page) or next;
	my $database = lc basename($page, '.md') =~ s/\W/_/gr;

	query("CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION eventlog')
	  unless grep { $_->[1] =~ /CREATE EXTENSION/ } @sql;
	foreach my $block (@sql)
	{
		my ($stdout, $stderr);
		my $status = $node->psql($database, $block->[1], stdout => \$stdout, stderr => \$stderr,
			on_error_stop => 1);

		is($status, 0, "$page, line $block->[2], runs") or diag $stderr;
	}
	query("DROP DATABASE $database");
	foreach my $role (qw(notifier eventlog_writer eventlog_reader eventlog_operator eventlog_notifier eventlog_monitor monitor grafana))
	{
		query("DROP ROLE IF EXISTS $role");
	}
}

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/whsec", 'whsec_' . 'A' x 44 . "\n");
foreach my $page (@pages)
{
	foreach my $block (grep { $_->[0] eq 'json' } blocks($page))
	{
		my $json = eval { decode_json($block->[1]) };
		ok($json, "$page, line $block->[2], is JSON") or next;
		next unless $json->{webhooks};
		my $file = "$dir/" . basename($page) . "-$block->[2].json";
		append_to_file($file, $block->[1]);

		# There is no such database here: that is told at run time, by 1.
		command_exits_with($file, 1, "$page, line $block->[2], is a configuration");
	}
}

sub command_exits_with
{
	my ($file, $expected, $name) = @_;
	my ($stdout, $stderr);

	local $ENV{PGCONNECT_TIMEOUT} = 2;
	IPC::Run::run([ 'eventlog-notifier', '--config', $file, '--check' ], '>', \$stdout, '2>', \$stderr);
	is($? >> 8, $expected, $name) or diag $stderr;
}

#
# What is listed
#

query('CREATE EXTENSION eventlog');

# A function's arguments, with the defaults that are told.
my %ours = map { split /\|/ }
  split /\n/, query(
	"SELECT proname, string_agg(pg_get_function_arguments(oid), '; ')
	   FROM pg_proc WHERE pronamespace = 'eventlog'::regnamespace AND proname !~ '^_' GROUP BY 1");
my $reference = slurp_file('doc/reference.md');
foreach my $function (sort keys %ours)
{
	like($reference . slurp_file('doc/columns.md') . (-f 'doc/integrations.md' ? slurp_file('doc/integrations.md') : ''),
		qr/\b$function\b/, "the manual names eventlog.$function");
}
my $rows = 0;
foreach my $row (map { rows('doc/reference.md', $_) } 'function')
{
	my ($name) = $row->[0] =~ /(\w+)`/ or next;
	next unless $row->[1] =~ /`/ && $row->[0] !~ /\(/;
	foreach my $argument (code($row->[1]))
	{
		next if $argument =~ /^\W/;
		like($ours{$name} // '', qr/\b$argument\b/, "eventlog.$name takes $argument");
		$rows++;
	}
}
cmp_ok($rows, '>', 10, 'arguments were compared');

# Each "name(arguments)" that a page has is a call that the function takes.
foreach my $page (@pages)
{
	foreach my $name (slurp_file($page) =~ /\beventlog\.(\w+)\b/g)
	{
		next if $name =~ /^(?:default_log|dead_retention|max_subscriptions|step_timeout|control|sql|svg|psql|event|level)$/;
		next if $ours{$name};
		ok(query("SELECT to_regclass('eventlog.$name') IS NOT NULL") eq 't', "$page: there is eventlog.$name");
	}
}

foreach my $row (rows('doc/reference.md', 'setting'))
{
	my ($name) = code($row->[0]);
	my ($default) = code($row->[1]);
	is(query("SELECT eventlog.new_id() IS NOT NULL; SHOW $name") =~ s/^t\n//r, $default, "the default of $name");
}

my %types = map { split /\|/ } split /\n/, query(
	"SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
	  WHERE attrelid = 'eventlog.event'::regclass ORDER BY attnum");
my %shown = map { (code($_->[0]))[0] => (code($_->[1]))[0] } rows('doc/columns.md', 'column');
$types{occurred_at} = $types{created_at} = 'timestamptz';
$types{level} = 'text';
is_deeply(\%shown, \%types, 'the columns of an event and their types');

foreach my $view (qw(logs subscriptions deliveries))
{
	foreach my $column (split /\n/, query(
		"SELECT attname FROM pg_attribute WHERE attrelid = 'eventlog.$view'::regclass AND attnum > 0"))
	{
		like($reference, qr/`$column`/, "the reference names $view.$column");
	}
}

# Levels: each other name is taken for the one beside it.
foreach my $row (rows('doc/columns.md', 'stored'))
{
	my ($level) = code($row->[0]);
	query("SELECT eventlog.create_log('events')") unless query("SELECT to_regclass('events') IS NOT NULL") eq 't';
	foreach my $other (code($row->[1]))
	{
		my $id = query("SELECT eventlog.emit('a', '$other')");
		is(query("SELECT level FROM eventlog.get('$id')"), $level, "$other is stored as $level");
	}
}

# The notifier's options: every key that is listed is taken, and so with a value
# of a wrong kind an error that names it.
my %common = (webhooks => { w => { url => 'https://hooks.example/' } });
foreach my $row (rows('doc/notifier.md', 'key'))
{
	foreach my $key (code($row->[0]))
	{
		next if $key =~ /^event_log/;
		check_key({ %common, $key => [ {} ] }, $key);
	}
}
my ($webhook_table) = slurp_file('doc/notifier.md') =~ /^### A webhook\n(.*?)^#/ms;
foreach my $key (map { code((split /\|/)[1]) } grep { /^\| `/ } split /\n/, $webhook_table)
{
	check_key({ webhooks => { w => { url => 'https://hooks.example/', $key => [ [] ] } } }, $key);
}

sub check_key
{
	my ($config, $key) = @_;
	my $file = "$dir/key.json";
	my ($stdout, $stderr);

	unlink $file;
	append_to_file($file, encode_json($config));
	IPC::Run::run([ 'eventlog-notifier', '--config', $file, '--check' ], '>', \$stdout, '2>', \$stderr);
	is($? >> 8, 2, "$key with a wrong value is an error");
	like($stderr, qr/\b$key\b/, "which names $key");
	unlike($stderr, qr/unknown key/, "and $key is known");
}

my $help = `eventlog-notifier --help`;
foreach my $option (map { code($_->[0]) } rows('doc/notifier.md', 'option'))
{
	my ($name) = $option =~ /^(--\w+)/;
	like($help, qr/\Q$name\E/, "--help has $name");
}
foreach my $option ($help =~ /(--\w+)/g)
{
	like(slurp_file('doc/notifier.md'), qr/\Q$option\E/, "the manual has $option");
}

# Metrics: those that are listed, and those that the source has.
my $source = slurp_file('notifier/app/metrics.c');
my %metric = map { $_ => 1 } $source =~ /"(eventlog_\w+)"/g;
my %listed = map { $_ => 1 } grep { /^eventlog_/ } slurp_file('doc/operations.md') =~ /`(\w+)`/g;
is(join(' ', grep { !$listed{$_} } sort keys %metric), '', 'each metric is in the manual');
is(join(' ', grep { !$metric{$_} } sort keys %listed), '', 'and each of the manual is one');

# Links between pages lead somewhere.
foreach my $page (@pages)
{
	my $folder = $page =~ m{(.*/)} ? $1 : '';
	foreach my $link (slurp_file($page) =~ /\]\((?!https?:)([^)#]+)(?:#[\w-]+)?\)/g)
	{
		ok(-e "$folder$link", "$page: $link is there");
	}
}

$node->stop;
done_testing();
