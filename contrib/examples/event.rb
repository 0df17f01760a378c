# A log as a model of ActiveRecord.
#
#     ActiveRecord::Base.establish_connection('postgresql:///app')
#     Event.create!(event_type: 'image.failed', level: 'error')
#     Event.listed(event_type: 'image.', min_level: 'error').each { |event| ... }
#
# An id alone finds an event, so it serves as the primary key.  In a Rails
# application, call Event.ignore_partitions in an initializer: db/schema.rb then
# leaves out the log and its partitions, which eventlog.create_log makes, in a
# migration of their own.

require 'active_record'

class Event < ActiveRecord::Base
  self.table_name = 'events'
  self.primary_key = 'id'

  # a page of events, newest first, found by the log's own indexes
  def self.listed(**filter)
    arguments = filter.keys.map { |name| "#{name} => :#{name}" }.join(', ')
    find_by_sql(["SELECT * FROM eventlog.list(#{arguments})", filter])
  end

  # the event with this id, found in one partition
  def self.with_id(id)
    find_by_sql(['SELECT * FROM eventlog.get(:id)', { id: id }]).first
  end

  def self.ignore_partitions
    ActiveRecord::SchemaDumper.ignore_tables |= [/\A#{table_name}(_|\z)/]
  end
end
