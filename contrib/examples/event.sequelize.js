/*
 * A log as a model of Sequelize.
 *
 *     const Event = require('./event.sequelize.js')(new Sequelize('postgres:///app'));
 *     await Event.create({ event_type: 'image.failed', level: 'error' });
 *     const events = await Event.listed({ event_type: 'image.', min_level: 'error' });
 *
 * eventlog.create_log makes the table and its partitions: do not sync() this model.
 * After create(), reload() brings what the log has made of the values, such as the
 * level.  A Date has milliseconds and a log microseconds, so look an event up by its
 * id.
 */

'use strict';

const { DataTypes, QueryTypes } = require('sequelize');

module.exports = (sequelize) =>
{
	const text = { type: DataTypes.TEXT };
	const Event = sequelize.define('Event', {
		id: { type: DataTypes.UUID, primaryKey: true, defaultValue: sequelize.literal('DEFAULT') },
		event_type: { ...text, allowNull: false },
		level: text,
		resource_id: text,
		resource_type: text,
		source_service: text,
		source_host: text,
		occurred_at: { type: DataTypes.DATE, defaultValue: sequelize.literal('DEFAULT') },
		message: text,
		category: text,
		details: { type: DataTypes.JSONB },
		user_id: text,
		base_url: text,
		request_id: text,
		created_at: { type: DataTypes.DATE }
	}, { tableName: 'events', timestamps: false });

	/* a page of events, newest first, found by the log's own indexes */
	Event.listed = (filter) =>
	{
		const names = Object.keys(filter).map((name) => `${name} => :${name}`);

		return sequelize.query(`SELECT * FROM eventlog.list(${names.join(', ')})`,
			{ replacements: filter, type: QueryTypes.SELECT, model: Event, mapToModel: true });
	};

	/* the event with this id, found in one partition; null if there is none */
	Event.withId = async (id) =>
	{
		const [event] = await sequelize.query('SELECT * FROM eventlog.get(:id)',
			{ replacements: { id }, type: QueryTypes.SELECT, model: Event, mapToModel: true });

		return event || null;
	};

	return Event;
};
