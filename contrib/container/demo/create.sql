CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events');
